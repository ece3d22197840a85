// One look at a show's waitlist: what has become of the offers, and whom the free seats can be offered to, in
// the order of joining.
#include <algorithm>

#include "services/reservation/saga/show_reads.h"
#include "services/reservation/saga/show_service.h"

namespace boxoffice::reservation {
namespace {

// Seats are just being sought for it.
bool IsPending(const WaitlistEntry& entry) {
  return entry.state == EntryState::kWaiting && !entry.reservation.IsNil();
}
bool IsWaiting(const WaitlistEntry& entry) {
  return entry.state == EntryState::kWaiting && entry.reservation.IsNil();
}

}  // namespace

struct ShowService::Round {
  ShowWork work;
  Lent lease;
  ShowView show;
  std::vector<WaitlistEntry> entries;  // by place
  FreeSeats free;
};

asio::awaitable<Result<ShowWork>> ShowService::RunWaitlist(ShowWork work, Lent lease) {
  Round round;
  round.work = std::move(work);
  round.lease = std::move(lease);
  const int64_t show_id = round.work.key.show_id;
  auto show = co_await shows_.Get(show_id);
  if (!show) co_return std::unexpected(show.error());
  round.show = *show;
  auto list = [this, show_id] {
    WaitlistQuery query;
    query.show_id = show_id;
    query.open_only = true;
    query.limit = config_.max_open;
    return reader_.List(query);
  };
  auto page = co_await ReadOn(readers_, list);
  if (!page) co_return std::unexpected(page.error());
  round.entries = std::move(page->entries);
  auto settled = co_await SettleAll(round);
  if (!settled) co_return std::unexpected(settled.error());
  const std::string_view because = EndOfWaiting(round.show.phase);
  if (!because.empty()) {
    refused_.Forget(show_id);
    auto ended = co_await EndAllWaiting(round, because);
    if (!ended) co_return std::unexpected(ended.error());
  } else {
    auto offered = co_await OfferSeats(round);
    if (!offered) co_return std::unexpected(offered.error());
  }
  const bool open =
      page->more || std::ranges::any_of(round.entries, [](const auto& e) { return IsOpen(e.state); });
  round.work.due_at = clock_.Now() + (open ? config_.poll_every : config_.idle_every);
  if (!open && !because.empty()) round.work.due_at.reset();
  co_return round.work;
}

// By the owner, who goes on: the entries as they are now.
asio::awaitable<Result<void>> ShowService::Keep(Round& round, std::vector<WaitlistEntry*> entries) {
  KeepWork keep;
  keep.work = round.work;
  keep.keep_lease = true;
  for (const WaitlistEntry* entry : entries) keep.entries.push_back(*entry);
  ShowCommand command = std::move(keep);
  auto outcome = co_await Write(std::move(command));
  if (!outcome) co_return std::unexpected(outcome.error());
  auto* kept = std::get_if<KeptWork>(&*outcome);
  if (kept == nullptr)
    co_return Fail(Code::kConflict, "not_owner", "another replica works on it, or it moved");
  for (size_t i = 0; i < entries.size(); ++i) *entries[i] = std::move(kept->entries[i]);
  co_return Result<void>();
}

asio::awaitable<Result<void>> ShowService::SettleAll(Round& round) {
  for (WaitlistEntry& entry : round.entries) {
    if (entry.reservation.IsNil()) continue;
    if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
    auto settled = co_await SettleOne(round, entry);
    if (!settled) co_return std::unexpected(settled.error());
  }
  co_return Result<void>();
}

// The reservation's id was written before anything was held under it, so an offer that was begun is always
// found again, and one that was not is begun now.
asio::awaitable<Result<Reservation>> ShowService::SettleOne(Round& round, WaitlistEntry& entry) {
  auto get = [&] { return reservations_.Get(entry.reservation); };
  auto found = co_await ReadOn(readers_, get);
  if (!found) co_return std::unexpected(found.error());
  if (!*found) {
    Reservation offer;
    offer.id = entry.reservation;
    offer.user_id = entry.user_id;
    offer.show_id = entry.show_id;
    offer.choice = entry.wish;
    auto answer = co_await sagas_.Offer(std::move(offer));
    if (!answer) co_return std::unexpected(answer.error());
    *found = *answer->reservation;
  }
  if (auto next = Settle(entry, **found)) {
    entry = *std::move(next);
    std::vector<WaitlistEntry*> moved{&entry};
    auto kept = co_await Keep(round, std::move(moved));
    if (!kept) co_return std::unexpected(kept.error());
  }
  co_return **std::move(found);
}

asio::awaitable<Result<void>> ShowService::EndAllWaiting(Round& round, std::string_view because) {
  std::vector<WaitlistEntry*> ended;
  for (WaitlistEntry& entry : round.entries) {
    if (!IsWaiting(entry)) continue;
    entry.state = EntryState::kLapsed;
    entry.ended_because = because;
    ended.push_back(&entry);
  }
  if (ended.empty()) co_return Result<void>();
  co_return co_await Keep(round, std::move(ended));
}

// Those who wait, without those who were refused the seats that are free now.
std::vector<WaitlistEntry> ShowService::Servable(const Round& round) const {
  std::vector<WaitlistEntry> servable;
  for (const WaitlistEntry& entry : round.entries) {
    if (IsWaiting(entry) && !refused_.WasRefused(entry, round.free)) servable.push_back(entry);
  }
  return servable;
}

asio::awaitable<Result<void>> ShowService::OfferSeats(Round& round) {
  const int64_t show_id = round.work.key.show_id;
  if (std::ranges::none_of(round.entries, [](const auto& e) { return e.state == EntryState::kWaiting; })) {
    refused_.Forget(show_id);
    co_return co_await KeepSeats(round, false);
  }
  auto hall = co_await shows_.SeeSeats(show_id);
  if (!hall) co_return std::unexpected(hall.error());
  round.free = FreeSeats(*hall);
  refused_.See(show_id, round.free, clock_.Now());
  // First, so that nobody is faster than whoever waits.
  auto kept = co_await KeepSeats(round, KeepsSeats(Servable(round), round.free));
  if (!kept) co_return std::unexpected(kept.error());
  if (round.free.none()) co_return Result<void>();
  for (WaitlistEntry& entry : round.entries) {
    // Whoever joined later gets nothing that an offer under way may still need.
    if (IsPending(entry)) co_return Result<void>();
    if (!IsWaiting(entry) || !round.free.CanServe(entry.wish)) continue;
    if (refused_.WasRefused(entry, round.free)) continue;
    if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
    auto offered = co_await OfferTo(round, entry);
    if (!offered) co_return std::unexpected(offered.error());
    // Nor what may still be this one's: the next look tries again. Until then the seats stay kept.
    const bool passed_over = refused_.WasRefused(entry, round.free);
    if (entry.state == EntryState::kWaiting && !passed_over) co_return Result<void>();
  }
  co_return co_await KeepSeats(round, KeepsSeats(Servable(round), round.free));
}

asio::awaitable<Result<void>> ShowService::OfferTo(Round& round, WaitlistEntry& entry) {
  entry.reservation = ReservationId::Make(clock_.Now(), random_);
  std::vector<WaitlistEntry*> intent{&entry};
  auto kept = co_await Keep(round, std::move(intent));
  if (!kept) co_return std::unexpected(kept.error());
  auto settled = co_await SettleOne(round, entry);
  if (!settled) co_return std::unexpected(settled.error());
  if (IsWaiting(entry)) {
    const std::string_view code = settled->failure ? std::string_view(settled->failure->code) : "";
    // The show's cancellations wait as long for the seat service's replicas to hear of something.
    refused_.Note(entry, code, round.free, clock_.Now(), config_.settle);
  }
  round.free.Take(settled->seats);
  co_return Result<void>();
}

asio::awaitable<Result<void>> ShowService::KeepSeats(Round& round, bool first) {
  if (round.show.waitlist_first == first) co_return Result<void>();
  auto set = co_await shows_.SetWaitlistFirst(round.work.key.show_id, first);
  if (!set) co_return std::unexpected(set.error());
  round.show.waitlist_first = first;
  co_return Result<void>();
}

}  // namespace boxoffice::reservation
