"""The house style as a test. tests/tidy runs it; each rule names what would be right."""
