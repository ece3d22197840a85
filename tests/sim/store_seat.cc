#include <algorithm>

#include "base/check.h"
#include "sim/stores.h"

namespace boxoffice::sim {
namespace {

class SeatStore final : public seat::Store {
 public:
  SeatStore(SeatDb& db, Process& process) : db_(db), process_(process) {}

  Result<seat::Rows> Load(const seat::Keys& keys) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    seat::Rows rows;
    std::set<seat::SeatKey> seats(keys.seats.begin(), keys.seats.end());
    for (const SagaId& id : keys.sagas) {
      const auto found = db_.sagas.find(id);
      rows.sagas.push_back(found == db_.sagas.end() ? seat::SagaRow{.id = id} : found->second);
      for (const seat::SeatNo no : rows.sagas.back().seats) seats.insert({rows.sagas.back().show_id, no});
    }
    for (const seat::BuyerKey& key : keys.buyers) {
      const auto found = db_.buyers.find(key);
      rows.buyers.push_back(found == db_.buyers.end() ? seat::BuyerRow{.key = key} : found->second);
      for (const seat::SeatNo no : rows.buyers.back().seats) seats.insert({key.show_id, no});
    }
    for (const seat::SeatKey& key : seats) {
      const auto found = db_.seats.find(key);
      rows.seats.push_back(found == db_.seats.end() ? seat::SeatRow{.key = key} : found->second);
    }
    return rows;
  }

  Result<seat::Saved> Save(const seat::Changes& changes) override {
    return process_.Commit<seat::Saved>("seat", [&] { return Apply(changes); });
  }

  // A run is shorter than what is kept.
  Result<seat::Forgotten> ForgetTombstones(SagaId, Timestamp, size_t) override { return seat::Forgotten{}; }

  Result<std::vector<seat::Concert>> LoadConcerts() override {
    return std::vector<seat::Concert>{{db_.show.concert_id, "concert", "artist", "venue"}};
  }
  Result<std::optional<seat::StoredShow>> LoadShowAfter(int64_t id) override {
    if (db_.show.id <= id) return std::nullopt;
    return seat::StoredShow{db_.show, db_.marks};
  }
  Result<std::vector<seat::SeatRow>> OwnedSeats(int64_t, seat::SeatNo, size_t) override {
    return std::vector<seat::SeatRow>();
  }
  Result<std::vector<seat::SeatRow>> StoredSeats(int64_t, seat::SeatNo after, size_t limit) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    std::vector<seat::SeatRow> rows;
    for (auto it = db_.seats.upper_bound({db_.show.id, after}); it != db_.seats.end() && rows.size() < limit;
         ++it) {
      rows.push_back(it->second);
    }
    return rows;
  }
  Result<seat::News> LoadNews(const seat::NewsPlace& since, std::span<const seat::KnownLayout>) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    seat::News news;
    news.place = {static_cast<int64_t>(db_.news.size()), FromUnixMs(1)};
    if (since == seat::NewsPlace()) return news;
    news.seats.assign(db_.news.begin() + since.horizon, db_.news.end());
    seat::StoredShow show{db_.show, db_.marks};
    show.show.layout = nullptr;
    if (!news.seats.empty()) news.shows.push_back(std::move(show));
    return news;
  }
  Result<std::vector<seat::CountedShow>> CountSeats(int64_t, Timestamp) override {
    return std::vector<seat::CountedShow>();
  }
  Result<std::vector<seat::BlockNote>> LoadBlocks(int64_t, int64_t, size_t) override {
    return std::vector<seat::BlockNote>();
  }
  Result<bool> SavePrices(int64_t, const seat::Layout&, std::span<const seat::PriceNote>) override {
    return Absent();
  }
  Result<std::vector<seat::PriceNote>> LoadPriceNotes(int64_t, int64_t, size_t) override {
    return std::vector<seat::PriceNote>();
  }
  Result<std::optional<seat::Operation>> FindOperation(const std::string&) override { return std::nullopt; }
  Result<int64_t> CreateConcert(const seat::Operation&, const seat::Concert&) override { return Absent(); }
  Result<bool> UpdateConcert(const seat::Concert&, const seat::Concert&) override { return Absent(); }
  Result<int64_t> CreateShow(const seat::Operation&, const seat::Show&) override { return Absent(); }
  Result<bool> UpdateTerms(int64_t, const seat::ShowTerms&, const seat::ShowTerms&) override {
    return Absent();
  }

 private:
  // The show is there from the beginning, and no operator changes it.
  static std::unexpected<Error> Absent() { return Fail(Code::kInternal, "not_simulated"); }

  template <typename Map, typename Row, typename Key>
  static bool Moved(const Map& map, const Row& row, const Key& key) {
    const auto found = map.find(key);
    return (found == map.end() ? 0 : found->second.version) != row.version;
  }

  Result<seat::Saved> Apply(const seat::Changes& changes) {
    seat::Saved saved;
    for (const auto& row : changes.sagas) {
      if (Moved(db_.sagas, row, row.id)) saved.moved_sagas.push_back(row.id);
    }
    for (const auto& row : changes.buyers) {
      if (Moved(db_.buyers, row, row.key)) saved.moved_buyers.push_back(row.key);
    }
    for (const auto& row : changes.seats) {
      if (Moved(db_.seats, row, row.key)) saved.moved_seats.push_back(row.key);
    }
    for (const auto& show : changes.shows) {
      if (show.before != db_.marks) saved.moved_shows.push_back(show.show_id);
    }
    if (!saved.done()) return saved;
    for (seat::SagaRow row : changes.sagas) ++row.version, db_.sagas[row.id] = row;
    for (seat::BuyerRow row : changes.buyers) ++row.version, db_.buyers[row.key] = row;
    for (seat::SeatRow row : changes.seats) {
      ++row.version;
      db_.seats[row.key] = row;
      db_.news.push_back(row);
    }
    for (const auto& show : changes.shows) db_.marks = show.marks;
    for (const seat::Event& event : changes.events) {
      bus::Event told;
      told.id = EventId::Make(process_.ground().scheduler.Now(), process_.ground().rng);
      told.topic = "seat";
      told.key = event.reservation.ToString();
      told.type = "seat.moved";
      db_.outbox.Add(std::move(told));
    }
    return saved;
  }
  SeatDb& db_;
  Process& process_;
};

}  // namespace

std::unique_ptr<seat::Store> OpenSeats(SeatDb& db, Process& process) {
  return std::make_unique<SeatStore>(db, process);
}

}  // namespace boxoffice::sim
