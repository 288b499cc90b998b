# One value: the file named by the first argument holds it; its square root goes to the second.
arguments <- commandArgs(trailingOnly = TRUE)
value <- as.numeric(readLines(arguments[1], n = 1))
if (is.na(value) || value < 0) stop("no square root of ", value)
Sys.sleep(as.numeric(Sys.getenv("SECONDS_PER_VALUE", "0")))
writeLines(format(sqrt(value), digits = 15), arguments[2])
