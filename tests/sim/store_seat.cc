#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mutant.h"
#include "services/seat/testing_store.h"
#include "sim/stores.h"

namespace boxoffice::sim {
namespace {

class SeatStore final : public seat::Store {
 public:
  SeatStore(SeatDb& db, Process& process) : db_(db), process_(process) {}

  Result<seat::Rows> Load(const seat::Keys& keys) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    seat::Rows rows;
    std::set<seat::SeatKey> listed;
    for (const SagaId& id : keys.sagas) {
      const auto found = db_.sagas.find(id);
      rows.sagas.push_back(found == db_.sagas.end() ? seat::SagaRow{.id = id} : found->second);
      for (const seat::SeatNo no : rows.sagas.back().seats) listed.insert({rows.sagas.back().show_id, no});
    }
    BOXOFFICE_TRY(process_.TakeTime());
    for (const seat::BuyerKey& key : keys.buyers) {
      const auto found = db_.buyers.find(key);
      rows.buyers.push_back(found == db_.buyers.end() ? seat::BuyerRow{.key = key} : found->second);
      for (const seat::SeatNo no : rows.buyers.back().seats) listed.insert({key.show_id, no});
    }
    BOXOFFICE_TRY(process_.TakeTime());
    LoadSeats(keys.seats, rows);
    BOXOFFICE_TRY(process_.TakeTime());
    if (!keys.shows.empty()) rows.show_rows.push_back({db_.show.id, db_.show.terms.phase, db_.marks});
    for (const seat::SeatKey& key : keys.seats) listed.erase(key);
    LoadSeats(listed, rows);
    std::ranges::sort(rows.seats, {}, &seat::SeatRow::key);
    BOXOFFICE_TRY(process_.TakeTime());
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
  Result<std::vector<seat::SeatGroup>> StoredSeats(int64_t, seat::SeatNo after, seat::SeatNo up_to) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    std::vector<seat::SeatGroup> groups;
    const auto end = db_.seats.upper_bound({db_.show.id, up_to});
    for (auto it = db_.seats.upper_bound({db_.show.id, after}); it != end; ++it) {
      groups.push_back({it->second, {it->first.seat_no}});
    }
    return groups;
  }
  Result<seat::News> LoadNews(const seat::NewsPlace& since,
                              std::span<const seat::KnownLayout> known) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    db_.looked_at[process_.name()] = Now();
    seat::News news;
    news.place = {static_cast<int64_t>(db_.news.size()), FromUnixMs(1)};
    if (since == seat::NewsPlace()) return news;
    news.seats.assign(db_.news.begin() + since.horizon, db_.news.end());
    seat::StoredShow show{db_.show, db_.marks};
    if (!known.empty() && known.front().version == db_.show.layout->version) show.show.layout = nullptr;
    news.shows.push_back(std::move(show));
    return news;
  }
  Result<std::vector<seat::CountedShow>> CountSeats(int64_t, Timestamp) override {
    return std::vector<seat::CountedShow>();
  }
  Result<std::vector<seat::BlockNote>> LoadBlocks(int64_t, int64_t, size_t) override {
    return std::vector<seat::BlockNote>();
  }
  Result<bool> SavePrices(int64_t, const seat::Layout& layout, std::span<const seat::PriceNote>) override {
    BOXOFFICE_TRY(process_.TakeTime());
    return process_.Commit<bool>("prices", [&]() -> Result<bool> {
      const bool moved = layout.version != db_.show.layout->version + 1;
      if (moved && !MUTANT("seat_ignore_prices_moved")) return false;
      db_.show.layout = std::make_shared<seat::Layout>(layout);
      db_.layouts.emplace_back(Now(), db_.show.layout);
      return true;
    });
  }
  Result<std::vector<seat::PriceNote>> LoadPriceNotes(int64_t, int64_t, size_t) override {
    return std::vector<seat::PriceNote>();
  }
  Result<std::optional<seat::Operation>> FindOperation(const std::string&) override { return std::nullopt; }
  Result<int64_t> CreateConcert(const seat::Operation&, const seat::Concert&) override { return Absent(); }
  Result<bool> UpdateConcert(const seat::Concert&, const seat::Concert&) override { return Absent(); }
  Result<int64_t> CreateShow(const seat::Operation&, const seat::Show&) override { return Absent(); }
  Result<bool> UpdateTerms(int64_t, const seat::ShowTerms& before, const seat::ShowTerms& after) override {
    BOXOFFICE_TRY(process_.TakeTime());
    return process_.Commit<bool>("show", [&]() -> Result<bool> {
      seat::ShowTerms& terms = db_.show.terms;
      const bool was_kept = terms.waitlist_first;
      const uint32_t highest = terms.highest_seat_limit;  // it may have moved
      terms.highest_seat_limit = before.highest_seat_limit;
      const bool stays = terms == before || MUTANT("seat_ignore_terms_moved");
      if (stays) terms = after;
      terms.highest_seat_limit = std::max(highest, terms.highest_seat_limit);
      if (!stays) return false;
      db_.terms.emplace_back(Now(), terms);
      if (terms.phase == seat::ShowPhase::kCancelled && !db_.sale_ended_at) db_.sale_ended_at = Now();
      if (!terms.waitlist_first) db_.kept_since.reset();
      if (terms.waitlist_first && !was_kept) db_.kept_since = Now();
      return true;
    });
  }

 private:
  void LoadSeats(const auto& keys, seat::Rows& rows) const {
    for (const seat::SeatKey& key : keys) {
      const auto found = db_.seats.find(key);
      rows.seats.push_back(found == db_.seats.end() ? seat::SeatRow{.key = key} : found->second);
    }
  }

  // The show is there from the beginning.
  static std::unexpected<Error> Absent() { return Fail(Code::kInternal, "not_simulated"); }

  template <typename Map, typename Row, typename Key>
  static bool Moved(const Map& map, const Row& row, const Key& key) {
    const auto found = map.find(key);
    const int64_t version = found == map.end() ? 0 : found->second.version;
    return version != row.version && !MUTANT("seat_ignore_version");
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
      const bool counted = seat::IsSoldOut(db_.seats, changes, show, db_.show.layout->capacity()) ||
                           MUTANT("seat_sold_out_uncounted");
      if (show.before != db_.marks || !counted) saved.moved_shows.push_back(show.show_id);
    }
    if (!saved.done()) return saved;
    for (seat::SagaRow row : changes.sagas) ++row.version, db_.sagas[row.id] = row;
    for (seat::BuyerRow row : changes.buyers) ++row.version, db_.buyers[row.key] = row;
    for (seat::SeatRow row : changes.seats) {
      NoteTaken(db_.seats[row.key], row);
      ++row.version;
      CheckKept(row);
      db_.seats[row.key] = row;
      db_.news.push_back(row);
    }
    for (const auto& show : changes.shows) SetMarks(show.marks);
    for (const seat::Event& event : changes.events) {
      bus::Event told;
      told.id = EventId::Make(process_.ground().scheduler.Now(), process_.ground().rng);
      told.topic = "seat";
      told.key = event.reservation.ToString();
      told.type = "seat.moved";
      db_.outbox.Add(std::move(told), process_.ground().rng);
    }
    return saved;
  }
  void NoteTaken(const seat::SeatRow& before, const seat::SeatRow& row) {
    if (!row.IsOwned()) return;
    const bool by_move = row.state == seat::SeatState::kSold;
    // A hold that had lapsed may have come free, and been taken anew, by commands of one batch.
    const bool lapsed = before.state == seat::SeatState::kHeld && row.held_since >= before.hold_expires_at;
    if (!before.BelongsTo(row.reservation) || (lapsed && row.price != before.price)) {
      db_.taken.push_back({row.key.seat_no, row.user_id, row.price, by_move, Now(), row.held_since,
                           db_.looked_at[process_.name()]});
      return;
    }
    // What was bought may be moved to where it stands, as that costs less by now.
    const bool less = before.state == seat::SeatState::kSold && row.price < before.price;
    if (row.price != before.price && !less)
      db_.violations.push_back(
          fmt::format("seat {} was held for {}, and costs {}", row.key.seat_no, before.price, row.price));
  }
  // What is free, and has been kept for the waitlist for so long that each replica has heard of it, is held
  // for nobody else.
  void CheckKept(const seat::SeatRow& row) {
    constexpr milliseconds kAllHeard{20'000};
    const Timestamp now = Now();
    if (row.state != seat::SeatState::kHeld || !db_.kept_since || now - *db_.kept_since < kAllHeard) return;
    const auto before = db_.seats.find(row.key);
    if (before != db_.seats.end() && before->second.reservation == row.reservation) return;
    if (!db_.is_offer(row.reservation))
      db_.violations.push_back(fmt::format("waitlist: seat {} is kept for it, and held for {}",
                                           row.key.seat_no, row.reservation.ToString()));
  }
  // The rows are saved already.
  void SetMarks(const seat::ShowMarks& marks) {
    const auto gone = std::ranges::count_if(db_.seats, [&](const auto& seat) {
      return seat.second.state == seat::SeatState::kSold ||
             seat.second.IsWithheld(marks.sold_out_at.value_or(Timestamp()));
    });
    const bool all = static_cast<size_t>(gone) == db_.show.layout->capacity();
    if (marks.sold_out_at && !db_.marks.sold_out_at && !all)
      db_.violations.push_back("sold out: " + process_.name() + " tells so while seats are free");
    db_.marks = marks;
  }
  [[nodiscard]] Timestamp Now() const { return process_.ground().scheduler.Now(); }

  SeatDb& db_;
  Process& process_;
};

}  // namespace

std::unique_ptr<seat::Store> OpenSeats(SeatDb& db, Process& process) {
  return std::make_unique<SeatStore>(db, process);
}

}  // namespace boxoffice::sim
