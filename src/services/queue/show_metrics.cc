#include "services/queue/show_metrics.h"

#include <string>
#include <string_view>

#include <fmt/format.h>

namespace boxoffice::queue {
namespace {

obs::Labels LabelsOf(int64_t show_id) { return {{"show", fmt::to_string(show_id)}}; }

// Nothing more happens in it, as far as anybody can tell.
bool IsOver(const QueueView& view) {
  const QueueState state = view.show.settings.state;
  return (state == QueueState::kClosed || state == QueueState::kOff) && view.waiting == 0 && view.active == 0;
}

struct Family {
  std::string_view name;
  std::string_view help;
};
constexpr std::array<Family, 5> kCounters{{
    {"boxoffice_queue_joined_total", "People who took a place in the show's queue"},
    {"boxoffice_queue_admitted_total", "People of the show's queue who became ACTIVE"},
    {"boxoffice_queue_left_total", "People who gave their place in the show's queue up"},
    {"boxoffice_queue_expired_total",
     "People of the show's queue who were not there, or whose time was over"},
    {"boxoffice_queue_served_total", "People of the show's queue who bought"},
}};
constexpr std::array<Family, 4> kGauges{{
    {"boxoffice_queue_show_waiting", "People in line, of the show"},
    {"boxoffice_queue_show_active", "ACTIVE sessions, of the show"},
    {"boxoffice_queue_show_active_cap", "ACTIVE sessions that the show's queue allows"},
    {"boxoffice_queue_show_open",
     "1 while the show's queue is open, 0 while it is paused, closed or before its sale"},
}};

}  // namespace

void ShowMetrics::Note(const QueueView& view, obs::Registry& metrics) {
  const Show& show = view.show;
  if (IsOver(view)) {
    if (told_.erase(show.show_id) > 0) Remove(show.show_id, metrics);
    return;
  }
  if (told_.size() == kMaxShows && !told_.contains(show.show_id)) return;
  const uint64_t open = show.settings.state == QueueState::kOpen ? 1 : 0;
  const Counts now{show.last_sequence,
                   show.admitted,
                   show.left,
                   show.expired,
                   show.completed,
                   view.waiting,
                   view.active,
                   show.settings.active_cap,
                   open};
  const auto [entry, is_new] = told_.try_emplace(show.show_id);
  Counts& before = entry->second;
  if (!is_new && before == now) return;
  const obs::Labels labels = LabelsOf(show.show_id);
  for (size_t i = 0; i < kCounters.size(); ++i) {
    obs::Counter& counter = metrics.GetCounter(kCounters[i].name, kCounters[i].help, labels);
    // Who expired while a saga was bound may have been served after all.
    if (now[i] > before[i]) counter.Add(now[i] - before[i]);
  }
  for (size_t i = 0; i < kGauges.size(); ++i) {
    metrics.GetGauge(kGauges[i].name, kGauges[i].help, labels)
        .Set(static_cast<double>(now[kCounters.size() + i]));
  }
  before = now;
}

void ShowMetrics::Clear(obs::Registry& metrics) {
  for (const auto& [show_id, counts] : told_) Remove(show_id, metrics);
  told_.clear();
}

void ShowMetrics::Remove(int64_t show_id, obs::Registry& metrics) {
  for (const Family& family : kCounters) metrics.Remove(family.name, LabelsOf(show_id));
  for (const Family& family : kGauges) metrics.Remove(family.name, LabelsOf(show_id));
}

}  // namespace boxoffice::queue
