#include "platform/outbox/late_events.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "platform/bus/forgetting.h"
#include "platform/bus/processed_event.h"
#include "platform/obs/log.h"

namespace boxoffice::outbox {
namespace {

constexpr size_t kPage = 1'000;
constexpr size_t kTimeBytes = 6;  // at the beginning of a UUIDv7

// Two events with the same content are one: it names an aggregate and its version, or a thing that happened
// once.
std::string ContentOf(const bus::Event& event) {
  return fmt::format("{}\n{}\n{}\n{}{}", event.type, ToUnixMs(event.time), event.key.size(), event.key,
                     event.body);
}

// The id with the time of the day that has begun, so that two publishers, of which one lost its lease without
// knowing, give the same one.
EventId Renewed(const EventId& id, Timestamp now) {
  const EventId first = bus::FirstEventAt(std::chrono::floor<std::chrono::days>(now));
  std::string bytes(first.bytes().substr(0, kTimeBytes));
  bytes += id.bytes().substr(kTimeBytes);
  return *EventId::FromBytes(bytes);
}

class LateTable final : public Table {
 public:
  LateTable(std::unique_ptr<Table> table, bus::Bus& bus, const Clock& clock)
      : table_(std::move(table)), bus_(bus), clock_(clock) {}

  Result<bool> Read(size_t limit, std::vector<bus::Event>& events, std::vector<int64_t>& seqs) override {
    while (true) {
      BOXOFFICE_ASSIGN(const bool more, table_->Read(limit, events, seqs));
      const auto read = std::span(events).first(seqs.size());
      const Timestamp late = clock_.Now() - bus::kOldestPublished;
      const auto is_late = [late](const bus::Event& event) { return event.id.uuid().Time() < late; };
      if (std::ranges::none_of(read, is_late)) {
        topics_.clear();  // what is known of the log is not needed any more
        return more;
      }
      BOXOFFICE_TRY(LookForAll(read, is_late));
      std::vector<int64_t> published;
      size_t kept = 0;
      for (size_t i = 0; i < seqs.size(); ++i) {
        if (is_late(events[i])) {
          if (topics_.at(events[i].topic).contents.contains(ContentOf(events[i]))) {
            published.push_back(seqs[i]);
            continue;
          }
          events[i].id = Renewed(events[i].id, clock_.Now());
        }
        if (kept != i) std::swap(events[kept], events[i]);
        seqs[kept++] = seqs[i];
      }
      seqs.resize(kept);
      // What is read again was not deleted: the bus may have taken it all the same.
      given_out_ = kept > 0;
      obs::Log(obs::Level::kWarning, "outbox_late_events",
               {{"published_before", published.size()}, {"read", kept + published.size()}});
      // A row of which some is kept goes when that is published, too.
      const std::unordered_set<int64_t> stay(seqs.begin(), seqs.end());
      std::erase_if(published, [&](int64_t seq) { return stay.contains(seq); });
      if (!published.empty()) BOXOFFICE_TRY(table_->Erase(published));
      if (!seqs.empty()) return more;
    }
  }

  Result<void> Erase(std::span<const int64_t> seqs) override {
    BOXOFFICE_TRY(table_->Erase(seqs));
    given_out_ = false;
    return {};
  }

  Result<Status> Count() override { return table_->Count(); }

 private:
  // What a topic's log holds that was made at `from` or later.
  struct Topic {
    Timestamp from = Timestamp::max();
    std::unordered_set<std::string> contents;
  };

  // Sees to it that `topics_` tells of all late ones whether they are on the bus. Events go to the bus in the
  // order of their writing, so there is little in the log that is younger than what waits.
  template <typename IsLate>
  Result<void> LookForAll(std::span<const bus::Event> events, IsLate is_late) {
    if (std::exchange(given_out_, false)) topics_.clear();
    std::map<std::string, Timestamp> wanted;
    for (const bus::Event& event : events) {
      if (!is_late(event)) continue;
      const auto [at, fresh] = wanted.emplace(event.topic, event.time);
      if (!fresh) at->second = std::min(at->second, event.time);
    }
    for (const auto& [name, from] : wanted) {
      if (topics_[name].from <= from) continue;
      Topic topic{.from = from, .contents = {}};
      bus::Position after;
      while (true) {
        BOXOFFICE_ASSIGN(const bus::Page page, bus_.Read(name, after, kPage));
        if (page.records.empty()) break;
        for (const bus::Record& record : page.records) {
          if (record.event.time >= from) topic.contents.insert(ContentOf(record.event));
        }
        after = page.next;
      }
      topics_[name] = std::move(topic);
    }
    return {};
  }

  const std::unique_ptr<Table> table_;
  bus::Bus& bus_;
  const Clock& clock_;
  std::map<std::string, Topic> topics_;
  bool given_out_ = false;
};

}  // namespace

std::unique_ptr<Table> RenewLateEvents(std::unique_ptr<Table> table, bus::Bus& bus, const Clock& clock) {
  return std::make_unique<LateTable>(std::move(table), bus, clock);
}

}  // namespace boxoffice::outbox
