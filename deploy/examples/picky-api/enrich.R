# Asks a service for the price of each product of a table in Excel's format.
#
#   Rscript enrich.R INPUT.xlsx OUTPUT.csv      SERVICE_URL says where the service is
#
# The service answers 429 to a second caller, and that ends this script: nothing here takes turns,
# because `locks: [picky-api]` does.
arguments <- commandArgs(trailingOnly = TRUE)
service <- Sys.getenv("SERVICE_URL")
table <- readxl::read_excel(arguments[1])
if (!"product" %in% names(table)) stop("the first sheet has no column `product`", call. = FALSE)

ask <- function(product) {
  as.numeric(readLines(paste0(service, utils::URLencode(product, reserved = TRUE))))
}
table$price <- NA_real_
for (row in seq_len(nrow(table))) {
  table$price[row] <- ask(table$product[row])
  cat(row, "of", nrow(table), "products:", table$product[row], table$price[row], "\n")
}
utils::write.csv(table, arguments[2], row.names = FALSE, fileEncoding = "UTF-8")
