# Loads what is new in a table of sales, and nothing twice. It was written for the package rmeta:
# only its `library(rmeta)` was replaced by the next line.
source("/usr/local/share/closewrite/closewrite.R")

options(scipen = 20)  # ids are no floating point numbers
start_job("sales-load")
sales <- read.csv(Sys.getenv("SALES_FILE"))
loaded <- read_increment("sales")
new <- sales[sales$id > loaded, ]
write.table(new, Sys.getenv("SALES_TARGET"), sep = ",", append = TRUE, row.names = FALSE,
            col.names = FALSE)
log_load("sales", nrow(new), max(loaded, new$id))
cat("loaded", nrow(new), "records after", loaded, "\n")
end_job()
