# One script for many tasks: what it works on comes from the environment.
source_name <- Sys.getenv("SOURCE")
if (source_name == "") stop("SOURCE is not set")
repeat {
  cat(format(Sys.time(), "%H:%M:%OS3"), "reading", source_name, "\n")
  if (Sys.getenv("ONCE") != "") break
  Sys.sleep(1)
}
