#include "sim/consumer.h"

#include <algorithm>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace boxoffice::sim {
namespace {

class RankingStore final : public ranking::Store {
 public:
  RankingStore(RankingDb& db, Process& process) : db_(db), process_(process) {}
  Result<ranking::Loaded> Load() override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    version_ = db_.version;
    return ranking::Loaded{.state = db_.state};
  }
  Result<std::optional<ranking::Loaded>> LoadIfMoved() override {
    if (version_ == db_.version) return std::nullopt;
    BOXOFFICE_ASSIGN(ranking::Loaded loaded, Load());
    return loaded;
  }
  Result<ranking::State> LoadRows(const ranking::Keys& keys) override {
    BOXOFFICE_ASSIGN(ranking::Loaded loaded, Load());
    std::erase_if(loaded.state.shows, [&](const auto& row) { return !keys.shows.contains(row.first); });
    std::erase_if(loaded.state.hours, [&](const auto& row) { return !keys.hours.contains(row.first); });
    BOXOFFICE_TRY(process_.TakeTime());
    return std::move(loaded.state);
  }
  Result<std::vector<bool>> AreProcessed(std::span<const EventId> ids) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    std::vector<bool> processed;
    for (const EventId& id : ids) processed.push_back(db_.counted.contains(id));
    BOXOFFICE_TRY(process_.TakeTime());
    return processed;
  }
  Result<void> Save(const ranking::State& changed, std::span<const EventId> counted, ranking::Hour) override {
    return process_.Commit<void>("ranking", [&]() -> Result<void> {
      if (version_ != db_.version) return Fail(Code::kUnavailable, "moved");
      const bool again = std::ranges::any_of(counted, [&](EventId id) { return db_.counted.contains(id); });
      if (again) return Fail(Code::kConflict, "constraint");
      ranking::Overlay(db_.state, changed);
      db_.counted.insert(counted.begin(), counted.end());
      version_ = ++db_.version;
      return {};
    });
  }
  // A run is shorter than what is kept, and its log is never counted anew.
  Result<ranking::Forgotten> ForgetProcessed(Timestamp, size_t) override { return ranking::Forgotten(); }
  Result<void> BeginRebuild() override { return {}; }
  Result<void> ResumeRebuild() override { return {}; }
  Result<bool> EndRebuild(Timestamp) override { return true; }

 private:
  RankingDb& db_;
  Process& process_;
  int64_t version_ = 0;
};

std::optional<ranking::Kind> KindOf(std::string_view type) {
  if (type == "reservation.confirmed") return ranking::Kind::kConfirmed;
  if (type == "reservation.cancelled") return ranking::Kind::kCancelled;
  if (type == "reservation.seats_cancelled" || type == "reservation.moved") return ranking::Kind::kLessened;
  return std::nullopt;
}

// As ranking's bus_client reads the real body.
std::optional<ranking::Event> ToEvent(const bus::Event& told) {
  const std::optional<ranking::Kind> kind = KindOf(told.type);
  if (!kind) return std::nullopt;
  ranking::Event event{.id = told.id, .kind = *kind, .show_id = 1, .at = told.id.uuid().Time()};
  int64_t version = 0;
  int64_t fee = 0;
  int64_t given_back = 0;
  std::istringstream body(told.body);
  CHECK(body >> version >> event.amount >> fee >> event.seats >> given_back, "{}", told.body);
  if (told.type == "reservation.moved") {
    event.seats = 0;
    event.amount = given_back;
  }
  return event;
}

}  // namespace

RankingProcess::RankingProcess(Ground& ground, std::string name, milliseconds skew, RankingDb& db)
    : Process(ground, std::move(name), skew), db_(db) {
  service_ = std::make_unique<ranking::RankingService>(std::make_unique<RankingStore>(db, *this), clock());
  CHECK(service_->Load().has_value());
  After(ground.rng.Between(0, 500'000), [this] { Consume(); });
}

RankingProcess::~RankingProcess() {
  life()->dead = true;
  service_.reset();
}

// Of the group's replicas one or the other may work on events that are no longer its own: both count these,
// and either may put the group's place back.
void RankingProcess::Consume() {
  const std::vector<bus::Event>& log = ground_.bus.log();
  const size_t from = db_.place;
  const size_t end = std::min(log.size(), from + 1 + ground_.rng.Below(20));
  std::vector<ranking::Event> events;
  for (size_t i = from; i < end; ++i) {
    if (auto event = ToEvent(log[i])) events.push_back(*std::move(event));
  }
  if (from < end && service_->Count(events)) {
    (void)Commit<void>("place", [&]() -> Result<void> {
      db_.place = end;
      return {};
    });
  }
  After(from < end ? ground_.rng.Between(50'000, 500'000) : 1'000'000, [this] { Consume(); });
}

}  // namespace boxoffice::sim
