# For scripts that were written for the package rmeta (github.com/byapparov/rmeta): its functions,
# by the command line of Closewrite. In place of `library(rmeta)` write
#
#   source("/usr/local/share/closewrite/closewrite.R")
#
# The coordinator writes what is reported to InfluxDB, into the measurements and tags that rmeta
# uses, and keeps increments itself: no script needs a password of InfluxDB any more. It is found by
# CLOSEWRITE_COORDINATOR, which is set in commands that Closewrite runs. Base R is all it takes, and
# the program `closewrite` in the PATH.
#
# Where it differs from rmeta:
#   * An increment that does not rise is refused, unless no records were loaded.
#   * Increments have 64 bits. Up to 2^53 they are numbers of R; larger ones are integer64 of the
#     package bit64, which must be installed then.
#   * In a command that Closewrite runs, start_job() of the name of its task or pipeline means the
#     execution that is written anyway; end_job() and error_job() add nothing to it. Its exit code
#     tells how it ended: after error_job() let the script fail, as by quit(status = 1).

closewrite_env <- new.env(parent = emptyenv())

# Runs `closewrite` with arguments; returns the lines that it prints. What it says on stderr goes to
# ours.
closewrite_run <- function(...) {
  arguments <- c(...)
  lines <- suppressWarnings(system2("closewrite", shQuote(arguments), stdout = TRUE, stderr = ""))
  status <- attr(lines, "status")
  if (!is.null(status) && status != 0) {
    stop("closewrite ", paste(arguments[1:2], collapse = " "), " failed with exit code ", status,
         call. = FALSE)
  }
  lines
}

closewrite_table <- function(...) {
  lines <- closewrite_run(..., "-o", "csv")
  utils::read.csv(text = lines, colClasses = "character", encoding = "UTF-8")
}

closewrite_days <- function(days) paste0(as.integer(days), "d")

# Whole numbers as text, with all their digits.
closewrite_whole <- function(number, what) {
  if (inherits(number, "integer64")) return(as.character(number))
  whole <- length(number) == 1 && is.numeric(number) && is.finite(number) &&
    number == trunc(number) && abs(number) <= 2^53
  if (!whole) stop(what, " must be one whole number", call. = FALSE)
  sprintf("%.0f", number)
}

closewrite_number <- function(text) {
  number <- as.numeric(text)
  if (all(abs(number) <= 2^53)) return(number)
  if (!requireNamespace("bit64", quietly = TRUE)) {
    stop("an increment is too large for R's numbers: install the package bit64", call. = FALSE)
  }
  bit64::as.integer64(text)
}

closewrite_time <- function(text) {
  as.POSIXct(text, format = "%Y-%m-%dT%H:%M:%OSZ", tz = "UTC")
}

# Is an execution open in this script?
is_set_job <- function() !is.null(closewrite_env$job)

current_job <- function() {
  if (!is_set_job()) stop("Job was not started", call. = FALSE)
  closewrite_env$job
}

# Begins an execution of a job; returns its id.
start_job <- function(job) {
  if (is_set_job()) stop("Should stop the job before starting a new one.", call. = FALSE)
  id <- closewrite_run("execution", "start", job)
  closewrite_env$job <- list(id = id, name = job)
  id
}

closewrite_end <- function(state) {
  if (!is_set_job()) {
    warning("Job was not started", call. = FALSE)
    return(invisible())
  }
  job <- current_job()
  closewrite_run("execution", state, job$name, "--id", job$id)
  closewrite_env$job <- NULL
  invisible()
}

# Ends it well, or not.
end_job <- function() closewrite_end("end")
error_job <- function() closewrite_end("error")

# The highest increment that the job has logged for a destination; 0 when there is none.
read_increment <- function(destination) {
  closewrite_number(closewrite_run("increment", "read", destination, "--job", current_job()$name,
                                   "--default", "0"))
}

# Reports that records were loaded, up to an increment.
log_load <- function(destination, records, increment) {
  job <- current_job()
  closewrite_run("increment", "log", destination, "--job", job$name, "--execution", job$id,
                 paste0("--records=", closewrite_whole(records, "records")),
                 paste0("--increment=", closewrite_whole(increment, "increment")))
  invisible()
}

# Loads of the last days, newest first.
read_loads <- function(job, destination, days = 7L) {
  loads <- closewrite_table("increment", "history", destination, "--job", job, "--since",
                            closewrite_days(days), "--limit", "10000")
  loads <- loads[loads$type == "load", ]
  data.frame(time = closewrite_time(loads$logged), id = loads$execution, job = loads$job,
             datasource = loads$datasource, increment = closewrite_number(loads$increment),
             records = closewrite_number(loads$records), stringsAsFactors = FALSE)
}

# Executions of the last days, of one job or of all: `start`, `end` and `error` are 1 where it came
# to that.
read_job_executions <- function(job = "", days = 7L) {
  named <- if (nchar(job) > 0) job else character()
  executions <- closewrite_table("execution", "list", named, "--since", closewrite_days(days),
                                 "--limit", "10000")
  data.frame(id = executions$id, job = executions$job,
             end = as.integer(executions$state == "end"),
             error = as.integer(executions$state == "error"),
             start = rep(1L, nrow(executions)),
             time = closewrite_time(executions$started), stringsAsFactors = FALSE)
}

# Reports how well a model does.
log_model_performance <- function(dataset, target, test, algorithm, metric, group, records, value) {
  job <- current_job()
  closewrite_run("model", "log", "--job", job$name, "--execution", job$id, "--dataset", dataset,
                 "--target", target, "--test", as.character(test), "--algorithm", algorithm,
                 "--metric", metric, "--group", group,
                 paste0("--records=", closewrite_whole(records, "records")),
                 paste0("--value=", format(as.numeric(value), digits = 17)))
  invisible()
}
