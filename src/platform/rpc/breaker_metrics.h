// How a breaker is told of: its state as a metric, its changes as a counter and a line of the log.
#pragma once

#include <memory>
#include <string>

#include "platform/obs/metrics.h"
#include "platform/resilience/breaker.h"

namespace boxoffice::rpc {

// What a breaker calls at each change of its state. `client`: who calls; `replica`: whom. `metrics` outlives
// the breaker.
[[nodiscard]] resilience::Breaker::OnChange ChangesTold(obs::Registry& metrics, std::string client,
                                                        std::string replica);
// Shows the state of `breaker` by the same labels; once it is gone, as closed.
void ShowBreaker(obs::Registry& metrics, const std::string& client, const std::string& replica,
                 std::weak_ptr<resilience::Breaker> breaker);
// Takes both away, of a breaker that changes no more.
void HideBreaker(obs::Registry& metrics, const std::string& client, const std::string& replica);

}  // namespace boxoffice::rpc
