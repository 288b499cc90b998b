// Times, durations and sizes for people and for programs, as pages say them too.
#ifndef SERVICES_CLI_TIME_TEXT_H_
#define SERVICES_CLI_TIME_TEXT_H_

#include "services/text/time_text.h"

#endif  // SERVICES_CLI_TIME_TEXT_H_
