#include "services/queue/show_metrics.h"

#include <fmt/format.h>

namespace boxoffice::queue {

void ShowMetrics::Note(const QueueView& view, obs::Registry& metrics) {
  struct Family {
    std::string_view name;
    std::string_view help;
  };
  static constexpr std::array<Family, 5> kCounters{{
      {"boxoffice_queue_joined_total", "People who took a place in the show's queue"},
      {"boxoffice_queue_admitted_total", "People of the show's queue who became ACTIVE"},
      {"boxoffice_queue_left_total", "People who gave their place in the show's queue up"},
      {"boxoffice_queue_expired_total",
       "People of the show's queue who were not there, or whose time was over"},
      {"boxoffice_queue_served_total", "People of the show's queue who bought"},
  }};
  const Show& show = view.show;
  const Counts now{show.last_sequence, show.admitted, show.left,  show.expired,
                   show.completed,     view.waiting,  view.active};
  const auto [entry, is_new] = told_.try_emplace(show.show_id);
  Counts& before = entry->second;
  if (!is_new && before == now) return;
  const obs::Labels labels{{"show", fmt::to_string(show.show_id)}};
  for (size_t i = 0; i < kCounters.size(); ++i) {
    obs::Counter& counter = metrics.GetCounter(kCounters[i].name, kCounters[i].help, labels);
    // Who expired while a saga was bound may have been served after all.
    if (now[i] > before[i]) counter.Add(now[i] - before[i]);
  }
  metrics.GetGauge("boxoffice_queue_show_waiting", "People in line, of the show", labels)
      .Set(static_cast<double>(view.waiting));
  metrics.GetGauge("boxoffice_queue_show_active", "ACTIVE sessions, of the show", labels)
      .Set(static_cast<double>(view.active));
  before = now;
}

}  // namespace boxoffice::queue
