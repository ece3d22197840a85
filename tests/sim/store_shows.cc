// The rows of what is done for whole shows, and what a look at each write of a place on a waitlist shows.
#include <algorithm>

#include <fmt/format.h>

#include "sim/stores.h"

namespace boxoffice::sim {
namespace {

using reservation::EntryState;
using reservation::WaitlistEntry;

class ShowStore final : public reservation::ShowStore {
 public:
  ShowStore(ReservationDb& db, Process& process) : db_(db), process_(process), rows_(db.shows) {}

  // Statement by statement, in the order of PostgreSQL's.
  Result<reservation::ShowRows> Load(const reservation::ShowKeys& keys, Timestamp now) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    BOXOFFICE_ASSIGN(reservation::ShowRows rows, rows_.Load({.due_limits = keys.due_limits}, now));
    BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(const reservation::ShowRows works, rows_.Load({.works = keys.works}, now));
    for (const auto& [key, work] : works.works) rows.works[key] = work;
    if (!keys.members.empty()) BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(rows.entries, EntriesOf({.members = keys.members}, now));
    if (!keys.entries.empty()) BOXOFFICE_TRY(process_.TakeTime());
    BOXOFFICE_ASSIGN(const auto entries, EntriesOf({.entries = keys.entries}, now));
    for (const auto& [key, entry] : entries) rows.entries[key] = entry;
    BOXOFFICE_TRY(process_.TakeTime());
    return rows;
  }
  Result<bool> Save(const reservation::ShowChanges& changes) override {
    return process_.Commit<bool>("show", [&] { return Apply(changes); });
  }

 private:
  using Entries = std::map<reservation::EntryKey, WaitlistEntry>;
  Result<Entries> EntriesOf(const reservation::ShowKeys& keys, Timestamp now) {
    BOXOFFICE_ASSIGN(reservation::ShowRows rows, rows_.Load(keys, now));
    return std::move(rows.entries);
  }
  Result<bool> Apply(const reservation::ShowChanges& changes) {
    const Entries before = db_.shows.entries;
    BOXOFFICE_ASSIGN(const bool saved, rows_.Save(changes));
    if (!saved) return false;
    for (const auto& [work, version] : changes.works) {
      const bool begins = work.key.kind == reservation::WorkKind::kCancellation && !db_.cancelled_at;
      if (begins) db_.cancelled_at = process_.ground().scheduler.Now();
    }
    for (const auto& [entry, version] : changes.entries) {
      const auto found = before.find({entry.show_id, entry.place});
      found == before.end() ? CheckJoined(before, entry) : CheckMoved(found->second, entry);
      if (!process_.ground().note) continue;
      process_.ground().note(fmt::format("{} wrote place {} of {}: {} {} {} v{}", process_.name(),
                                         entry.place, entry.user_id, NameOf(entry.state),
                                         entry.reservation.ToString(), entry.ended_because, entry.version));
    }
    return true;
  }
  static std::string_view NameOf(EntryState state) {
    constexpr std::string_view kNames[] = {"", "WAITING", "OFFERED", "ACCEPTED", "LAPSED", "LEFT"};
    return kNames[static_cast<size_t>(state)];
  }
  void Add(const WaitlistEntry& entry, std::string_view what) {
    db_.violations.push_back(fmt::format("waitlist: place {} of {} {}", entry.place, entry.user_id, what));
  }

  // Who joins stands last, and nowhere else. She may have left again by the same write.
  void CheckJoined(const Entries& before, const WaitlistEntry& now) {
    for (const auto& [key, other] : before) {
      if (other.place >= now.place) Add(now, "stands before whoever had joined already");
    }
    for (const auto& [key, other] : db_.shows.entries) {
      const bool is_other = other.place != now.place && other.user_id == now.user_id;
      if (is_other && IsOpen(other.state) && IsOpen(now.state)) Add(now, "is a second one");
    }
  }
  void CheckMoved(const WaitlistEntry& from, const WaitlistEntry& to) {
    if (!IsOpen(from.state)) return Add(to, fmt::format("had ended {}", NameOf(from.state)));
    if (from.state == EntryState::kOffered && to.state == EntryState::kWaiting)
      Add(to, "was offered seats, and waits again");
    if (from.reservation == to.reservation) return;
    if (!from.reservation.IsNil() && !to.reservation.IsNil()) Add(to, "is offered seats twice");
    if (to.reservation.IsNil()) {
      CheckGotNothing(from);
      // She may have left by the same write.
      const bool waits_or_left = to.state == EntryState::kWaiting || to.state == EntryState::kLeft;
      if (!waits_or_left) Add(to, "got nothing, and waits no more");
      db_.refused_places.insert(to.place);
    } else {
      CheckTurn(to);
      if (const auto told = db_.on_offer) told();
    }
  }
  // The offer that a place gives up has no seats, and will have none.
  void CheckGotNothing(const WaitlistEntry& from) {
    const auto offer = db_.rows.reservations().find(from.reservation);
    const bool got_nothing = offer != db_.rows.reservations().end() &&
                             offer->second.state == reservation::State::kReleased &&
                             offer->second.saga.status == reservation::SagaStatus::kDone;
    if (!got_nothing) Add(from, "gave up an offer that may have seats");
  }
  // Seats are about to be sought for it. Of those who joined earlier nobody may be waiting for what becomes
  // of an offer, nor for the same as it wants, unless it was refused.
  void CheckTurn(const WaitlistEntry& now) {
    for (const auto& [key, other] : db_.shows.entries) {
      if (other.place >= now.place) break;
      if (IsPending(other)) Add(now, fmt::format("is served while place {} may need the seats", other.place));
      const bool passed_over = IsWaiting(other) && other.wish == now.wish;
      if (passed_over && !db_.refused_places.contains(other.place))
        Add(now, fmt::format("is served before place {}, which wishes for the same", other.place));
    }
  }

  ReservationDb& db_;
  Process& process_;
  reservation::MemoryShowStore rows_;
};

class ShowReader final : public reservation::ShowReader {
 public:
  ShowReader(ReservationDb& db, Process& process) : process_(process), rows_(db.shows, db.rows) {}
  Result<std::optional<reservation::ShowWork>> Work(const reservation::WorkKey& key) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    return rows_.Work(key);
  }
  Result<reservation::WaitlistPage> List(const reservation::WaitlistQuery& query) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    return rows_.List(query);
  }
  Result<std::vector<reservation::SeatChoice>> Wishes(int64_t show_id, uint32_t limit) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    return rows_.Wishes(show_id, limit);
  }
  Result<reservation::WaitlistPage> ListByWish(const reservation::WishQuery& query) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    return rows_.ListByWish(query);
  }
  Result<uint64_t> CountBefore(int64_t show_id, uint64_t place) override {
    return rows_.CountBefore(show_id, place);
  }
  Result<reservation::Page> OfShow(int64_t show_id, std::span<const reservation::State> states,
                                   ReservationId after, uint32_t limit) override {
    if (process_.dead()) return std::unexpected(Process::Dead());
    return rows_.OfShow(show_id, states, after, limit);
  }

 private:
  Process& process_;
  reservation::MemoryShowReader rows_;
};

}  // namespace

std::unique_ptr<reservation::ShowStore> OpenShows(ReservationDb& db, Process& process) {
  return std::make_unique<ShowStore>(db, process);
}
std::unique_ptr<reservation::ShowReader> ReadShows(ReservationDb& db, Process& process) {
  return std::make_unique<ShowReader>(db, process);
}

}  // namespace boxoffice::sim
