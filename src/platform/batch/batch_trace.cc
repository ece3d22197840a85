#include "platform/batch/batch_trace.h"

#include <utility>

#include <fmt/format.h>

#include "platform/obs/span.h"

namespace boxoffice::batch {
namespace {

using obs::Span;

// "reservation_shows" is one of reservation's.
std::string ServiceOf(std::string_view executor) {
  return std::string(executor.substr(0, executor.find('_')));
}

}  // namespace

void BatchTrace::End(std::string_view name, size_t size, SteadyTime start, const Error* error,
                     bool always) const {
  if (commands_.empty() && !always) return;
  Span batch;
  batch.context = obs::NewTrace();
  batch.context.sampled = !commands_.empty();
  batch.kind = obs::SpanKind::kClient;
  batch.service = ServiceOf(name);
  batch.name = fmt::format("BATCH {}", name);
  batch.start = obs::ToSpanTime(start);
  batch.end = obs::SpanNow();
  batch.attributes = {{"db.system.name", obs::StoreSystem()},
                      {"boxoffice.executor", std::string(name)},
                      {"db.operation.name", std::string("BATCH")},
                      {"db.operation.batch.size", static_cast<int64_t>(size)}};
  if (error != nullptr) batch.Fail(error->reason);
  for (const Command& command : commands_) {
    Span span;
    span.context = obs::ChildOf(command.trace);
    span.parent = command.trace.span;
    span.service = batch.service;
    span.name = fmt::format("{} command", name);
    span.start = obs::ToSpanTime(command.arrived);
    span.end = batch.end;
    span.attributes = {
        {"boxoffice.queued_us",
         std::chrono::duration_cast<std::chrono::microseconds>(start - command.arrived).count()}};
    if (error != nullptr) span.Fail(error->reason);
    span.links.push_back(batch.context);
    batch.links.push_back(span.context);
    obs::Record(std::move(span));
  }
  obs::Record(std::move(batch));
}

}  // namespace boxoffice::batch
