#include "platform/rpc/breaker_metrics.h"

#include <chrono>
#include <utility>

#include "platform/obs/log.h"

namespace boxoffice::rpc {

using resilience::Breaker;

Breaker::OnChange ChangesTold(obs::Registry& metrics, std::string client, std::string replica) {
  return [&metrics, client = std::move(client), replica = std::move(replica)](Breaker::State from,
                                                                              Breaker::State to) {
    metrics
        .GetCounter("boxoffice_breaker_transitions_total", "Changes of a breaker's state",
                    {{"client", client}, {"replica", replica}, {"to", std::string(StateName(to))}})
        .Add();
    obs::Log(to == Breaker::State::kOpen ? obs::Level::kWarning : obs::Level::kInfo, "breaker_changed",
             {{"client", client}, {"replica", replica}, {"from", StateName(from)}, {"to", StateName(to)}});
  };
}

void ShowBreaker(obs::Registry& metrics, const std::string& client, const std::string& replica,
                 std::weak_ptr<Breaker> breaker) {
  // Read when it is asked for: an open breaker becomes half open by the time alone.
  metrics.AddCallback("boxoffice_breaker_state", "0 closed, 1 half open, 2 open",
                      {{"client", client}, {"replica", replica}}, [breaker = std::move(breaker)] {
                        const auto one = breaker.lock();
                        if (one == nullptr) return 0.0;
                        return static_cast<double>(one->Read(std::chrono::steady_clock::now()).state);
                      });
}

void HideBreaker(obs::Registry& metrics, const std::string& client, const std::string& replica) {
  obs::Labels labels{{"client", client}, {"replica", replica}};
  metrics.Remove("boxoffice_breaker_state", labels);
  labels.emplace_back("to", "");
  for (const auto to : {Breaker::State::kClosed, Breaker::State::kHalfOpen, Breaker::State::kOpen}) {
    labels.back().second = StateName(to);
    metrics.Remove("boxoffice_breaker_transitions_total", labels);
  }
}

}  // namespace boxoffice::rpc
