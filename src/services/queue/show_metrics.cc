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
  auto known = Find(show.show_id);
  const bool is_new = known == told_.end();
  if (IsOver(view)) {
    if (!is_new) Forget(known, metrics);
    return;
  }
  const Rank rank{view.waiting + view.active > 0, show.show_id};
  if (is_new && told_.size() == kMaxShows) {
    if (!rank.first || rank < told_.begin()->first) return;
    Forget(told_.begin(), metrics);
  }
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
  if (is_new) {
    known = told_.try_emplace(rank).first;
  } else if (known->first != rank) {
    auto moved = told_.extract(known);
    moved.key() = rank;
    known = told_.insert(std::move(moved)).position;
  }
  Counts& before = known->second;
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
  while (!told_.empty()) Forget(told_.begin(), metrics);
}

ShowMetrics::Told::iterator ShowMetrics::Find(int64_t show_id) {
  const auto busy = told_.find({true, show_id});
  return busy != told_.end() ? busy : told_.find({false, show_id});
}

void ShowMetrics::Forget(Told::iterator show, obs::Registry& metrics) {
  Remove(show->first.second, metrics);
  told_.erase(show);
}

void ShowMetrics::Remove(int64_t show_id, obs::Registry& metrics) {
  for (const Family& family : kCounters) metrics.Remove(family.name, LabelsOf(show_id));
  for (const Family& family : kGauges) metrics.Remove(family.name, LabelsOf(show_id));
}

}  // namespace boxoffice::queue
