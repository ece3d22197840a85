// The load generator, which lives in src/rehearsal so that `boxoffice rehearse` has it too, by the names that
// the scenarios use.
#pragma once

#include "rehearsal/histogram.h"
#include "rehearsal/http_load.h"
#include "rehearsal/interrupt.h"
#include "rehearsal/response_scan.h"

namespace boxoffice::bench {

using rehearsal::Answer;
using rehearsal::AppendRequest;
using rehearsal::CatchInterrupts;
using rehearsal::FindJsonText;
using rehearsal::FindQueueToken;
using rehearsal::Histogram;
using rehearsal::HttpLoad;
using rehearsal::Interrupted;
using rehearsal::LoadPlan;
using rehearsal::Millis;
using rehearsal::SteadyClock;

}  // namespace boxoffice::bench
