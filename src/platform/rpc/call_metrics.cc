#include "platform/rpc/call_metrics.h"

#include <algorithm>
#include <utility>

namespace boxoffice::rpc {

void CallMetrics::Note(std::string_view method, std::string_view outcome,
                       std::chrono::duration<double> time) {
  const std::scoped_lock lock(mutex_);
  auto of_method = methods_.find(method);
  if (of_method == methods_.end())
    of_method = methods_.emplace(std::string(method), Register(std::string(method))).first;
  of_method->second.seconds->Observe(time.count());
  auto& by_outcome = of_method->second.by_outcome;
  auto counter = by_outcome.find(outcome);
  if (counter == by_outcome.end()) {
    const std::string name(outcome);
    counter = by_outcome.emplace(name, &RegisterOutcome(of_method->first, name)).first;
  }
  counter->second->Add();
}

CallMetrics::OfMethod CallMetrics::Register(const std::string& method) {
  OfMethod made;
  made.seconds = client_.empty() ? &metrics_.GetHistogram("boxoffice_rpc_server_request_seconds",
                                                          "From a unary call's arrival to its answer",
                                                          obs::SecondsBounds(), {{"method", method}})
                                 : &metrics_.GetHistogram("boxoffice_rpc_client_request_seconds",
                                                          "From a try of a unary call to what came of it",
                                                          obs::SecondsBounds(),
                                                          {{"client", client_}, {"method", method}});
  return made;
}

obs::Counter& CallMetrics::RegisterOutcome(const std::string& method, const std::string& outcome) {
  return client_.empty()
             ? metrics_.GetCounter("boxoffice_rpc_server_requests_total",
                                   "Unary calls answered: ok, or the code of the error",
                                   {{"method", method}, {"outcome", outcome}})
             : metrics_.GetCounter("boxoffice_rpc_client_requests_total",
                                   "Tries of unary calls: ok, or the code of the error",
                                   {{"client", client_}, {"method", method}, {"outcome", outcome}});
}

void CommandErrors::Count(const v1::Error& error) {
  const size_t code = std::min(static_cast<size_t>(error.code()), kCodes - 1);  // a later one: internal
  obs::Counter* counter = counters_[code].load(std::memory_order_relaxed);
  if (counter == nullptr) {
    counter = &Register(static_cast<Code>(code));
    counters_[code].store(counter, std::memory_order_relaxed);  // whoever else was here stores the same
  }
  counter->Add();
}

obs::Counter& CommandErrors::Register(Code code) {
  const std::string by(CodeName(code));
  return end_ == End::kClient
             ? metrics_.GetCounter(
                   "boxoffice_rpc_command_errors_total",
                   "Commands that the service answered with an operating failure, by its code",
                   {{"client", name_}, {"code", by}})
             : metrics_.GetCounter("boxoffice_rpc_server_command_errors_total",
                                   "Commands answered with an operating failure, by its code",
                                   {{"service", name_}, {"code", by}});
}

}  // namespace boxoffice::rpc
