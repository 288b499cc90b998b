"""Two real hosts on one machine, and the services of Closewrite on them."""
