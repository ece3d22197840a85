// One look at a show's waitlist: what has become of the offers, and whom the free seats can be offered to, in
// the order of joining.
#include <algorithm>
#include <limits>
#include <optional>

#include "base/mutant.h"
#include "services/reservation/saga/show_reads.h"
#include "services/reservation/saga/show_service.h"

namespace boxoffice::reservation {
namespace {

// As many as a hall has sections and categories, times the numbers of seats that one can wish for.
constexpr uint32_t kAllWishes = std::numeric_limits<uint32_t>::max();

std::vector<WaitlistEntry*> PointersTo(std::vector<WaitlistEntry>& entries) {
  std::vector<WaitlistEntry*> pointers;
  for (WaitlistEntry& entry : entries) pointers.push_back(&entry);
  return pointers;
}

}  // namespace

struct ShowService::Round {
  ShowWork work;
  Lent lease;
  ShowView show;
  std::optional<uint64_t> pending;  // the first place that seats are still being sought for
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
  auto indexed = co_await IndexAll(round);
  if (!indexed) co_return std::unexpected(indexed.error());
  auto settled = co_await SettleAll(round);
  if (!settled) co_return std::unexpected(settled.error());
  // No place comes back, and who tells of an end may not have heard that the sale goes on: whoever sets
  // something says what is on record.
  if (round.show.phase == ShowPhase::kPast) {
    auto told = co_await TellToKeep(round, round.show.waitlist_first);
    if (!told) co_return std::unexpected(told.error());
  }
  const std::string_view because = EndOfWaiting(round.show.phase);
  if (!because.empty() && !MUTANT("waitlist_outlives_show")) {
    refused_.Forget(show_id);
    auto ended = co_await EndAllWaiting(round, because);
    if (!ended) co_return std::unexpected(ended.error());
    // From here on nobody looks: were they still kept, a sale that is extended would sell to nobody.
    if (round.show.phase == ShowPhase::kPast) {
      auto kept = co_await KeepSeats(round, false);
      if (!kept) co_return std::unexpected(kept.error());
    }
  } else {
    auto offered = co_await OfferSeats(round);
    if (!offered) co_return std::unexpected(offered.error());
  }
  auto left = co_await Read(show_id, Places::kOpen, 0, 1);
  if (!left) co_return std::unexpected(left.error());
  const bool open = !left->entries.empty();
  // Whoever was the last to leave may have left while this round still kept seats for her.
  const bool soon = open || round.show.waitlist_first;
  round.work.due_at = clock_.Now() + (soon ? config_.poll_every : config_.idle_every);
  if (!open && !because.empty()) round.work.due_at.reset();
  co_return round.work;
}

asio::awaitable<Result<WaitlistPage>> ShowService::Read(int64_t show_id, Places which, uint64_t after_place,
                                                        uint32_t limit) {
  auto list = [this, show_id, which, after_place, limit] {
    WaitlistQuery query;
    query.show_id = show_id;
    query.which = which;
    query.after_place = after_place;
    query.limit = limit;
    return reader_.List(query);
  };
  auto page = co_await ReadOn(readers_.get(), list);
  co_return page;
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

// What a replica of the version before wrote is found by no wish: it is written again, as it is. First, or
// somebody who joined later would be offered what is free.
asio::awaitable<Result<void>> ShowService::IndexAll(Round& round) {
  while (true) {
    auto page = co_await Read(round.work.key.show_id, Places::kUnindexed, 0, config_.waitlist_page);
    if (!page) co_return std::unexpected(page.error());
    if (page->entries.empty()) co_return Result<void>();
    if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
    std::vector<WaitlistEntry*> indexed = PointersTo(page->entries);
    auto kept = co_await Keep(round, std::move(indexed));
    if (!kept) co_return std::unexpected(kept.error());
  }
}

asio::awaitable<Result<void>> ShowService::SettleAll(Round& round) {
  for (uint64_t after = 0;;) {
    auto page = co_await Read(round.work.key.show_id, Places::kOffered, after, config_.waitlist_page);
    if (!page) co_return std::unexpected(page.error());
    for (WaitlistEntry& entry : page->entries) {
      if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
      auto settled = co_await SettleOne(round, entry);
      if (!settled) co_return std::unexpected(settled.error());
      if (IsPending(entry) && !round.pending) round.pending = entry.place;
    }
    if (!page->more) co_return Result<void>();
    after = page->entries.back().place;
  }
}

// The reservation's id was written before anything was held under it, so an offer that was begun is always
// found again, and one that was not is begun now.
asio::awaitable<Result<Reservation>> ShowService::SettleOne(Round& round, WaitlistEntry& entry) {
  auto get = [&] { return reservations_.Get(entry.reservation); };
  auto found = co_await ReadOn(readers_.get(), get);
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
  for (uint64_t after = 0;;) {
    auto page = co_await Read(round.work.key.show_id, Places::kOpen, after, config_.waitlist_page);
    if (!page) co_return std::unexpected(page.error());
    if (page->entries.empty()) co_return Result<void>();
    after = page->entries.back().place;
    std::vector<WaitlistEntry*> ended;
    for (WaitlistEntry& entry : page->entries) {
      if (!IsWaiting(entry)) continue;
      entry.state = EntryState::kLapsed;
      entry.ended_because = because;
      ended.push_back(&entry);
    }
    if (ended.empty()) continue;
    if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
    auto kept = co_await Keep(round, std::move(ended));
    if (!kept) co_return std::unexpected(kept.error());
  }
}

asio::awaitable<Result<std::vector<SeatChoice>>> ShowService::Wishes(int64_t show_id, uint32_t limit) {
  auto read = [this, show_id, limit] { return reader_.Wishes(show_id, limit); };
  auto wishes = co_await ReadOn(readers_.get(), read);
  co_return wishes;
}

asio::awaitable<Result<bool>> ShowService::SomebodyWaits(int64_t show_id) {
  auto wishes = co_await Wishes(show_id, 1);
  if (!wishes) co_return std::unexpected(wishes.error());
  co_return !wishes->empty();
}

// The first of those beyond `after_place` whom the free seats can serve, without those who were refused them,
// by place; empty: they serve nobody there. However many wait before them for something else costs nothing.
asio::awaitable<Result<ShowService::Entries>> ShowService::NextServable(const Round& round,
                                                                        uint64_t after_place) {
  WishQuery query;
  query.show_id = round.work.key.show_id;
  query.after_place = after_place;
  query.limit = config_.waitlist_page;
  if (round.free.none()) co_return Entries();
  auto wishes = co_await Wishes(query.show_id, kAllWishes);
  if (!wishes) co_return std::unexpected(wishes.error());
  query.wishes = round.free.Servable(*wishes);
  while (!query.wishes.empty()) {
    auto read = [this, &query] { return reader_.ListByWish(query); };
    auto page = co_await ReadOn(readers_.get(), read);
    if (!page) co_return std::unexpected(page.error());
    if (page->entries.empty()) break;
    query.after_place = page->entries.back().place;
    std::erase_if(page->entries, [&](const auto& entry) { return refused_.WasRefused(entry, round.free); });
    if (MUTANT("waitlist_last_first")) std::ranges::reverse(page->entries);
    if (!page->entries.empty()) co_return std::move(page->entries);
  }
  co_return Entries();
}

asio::awaitable<Result<void>> ShowService::OfferSeats(Round& round) {
  const int64_t show_id = round.work.key.show_id;
  auto waits = co_await SomebodyWaits(show_id);
  if (!waits) co_return std::unexpected(waits.error());
  if (!*waits && !round.pending) {
    refused_.Forget(show_id);
    co_return co_await KeepSeats(round, MUTANT("waitlist_kept_for_nobody") && round.show.waitlist_first);
  }
  auto hall = co_await shows_.SeeSeats(show_id);
  if (!hall) co_return std::unexpected(hall.error());
  round.free = FreeSeats(*hall);
  // An operator has stopped the sale by moving its opening. Nothing can be held, so nothing is offered; and
  // who was refused for that is not passed over once it goes on.
  const bool stopped = round.show.phase == ShowPhase::kAnnounced;
  if (stopped) refused_.Forget(show_id);
  refused_.See(show_id, round.free, clock_.Now());
  auto servable = co_await NextServable(round, 0);
  if (!servable) co_return std::unexpected(servable.error());
  // First, so that nobody is faster than whoever waits.
  auto kept = co_await KeepSeatsFor(round, *servable);
  if (!kept) co_return std::unexpected(kept.error());
  if (servable->empty() || stopped) co_return Result<void>();
  while (!servable->empty()) {
    auto all = co_await OfferToAll(round, *servable);
    if (!all) co_return std::unexpected(all.error());
    if (!*all) co_return Result<void>();
    servable = co_await NextServable(round, servable->back().place);
    if (!servable) co_return std::unexpected(servable.error());
  }
  servable = co_await NextServable(round, 0);
  if (!servable) co_return std::unexpected(servable.error());
  co_return co_await KeepSeatsFor(round, *servable);
}

// False: those behind have to wait for what becomes of one of these.
asio::awaitable<Result<bool>> ShowService::OfferToAll(Round& round, Entries& servable) {
  for (WaitlistEntry& entry : servable) {
    // Whoever joined later gets nothing that an offer under way may still need.
    const bool may_wait = round.pending && !MUTANT("waitlist_overtakes_pending");
    if (may_wait && entry.place > *round.pending) co_return false;
    // An offer before this one may have taken what it needs.
    if (!round.free.CanServe(entry.wish) || refused_.WasRefused(entry, round.free)) continue;
    if (!MayGoOn(round.lease)) co_return Fail(Code::kUnavailable, "stopping");
    auto offered = co_await OfferTo(round, entry);
    if (!offered) co_return std::unexpected(offered.error());
    // Nor what may still be this one's: the next look tries again. Until then the seats stay kept.
    const bool passed_over = refused_.WasRefused(entry, round.free);
    if (entry.state == EntryState::kWaiting && !passed_over) co_return false;
  }
  co_return true;
}

asio::awaitable<Result<void>> ShowService::OfferTo(Round& round, WaitlistEntry& entry) {
  entry.reservation = ReservationId::Make(clock_.Now(), random_);
  std::vector<WaitlistEntry*> intent{&entry};
  Result<void> kept;
  if (!MUTANT("waitlist_offer_not_written")) kept = co_await Keep(round, std::move(intent));
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

// Whether somebody waits who is not passed over whatever becomes free. Asked while nothing is.
asio::awaitable<Result<bool>> ShowService::SomebodyMayBeServed(const Round& round) {
  const int64_t show_id = round.work.key.show_id;
  if (!refused_.HasPersonal(show_id)) co_return co_await SomebodyWaits(show_id);
  for (uint64_t after = 0;;) {
    auto page = co_await Read(show_id, Places::kOpen, after, config_.waitlist_page);
    if (!page) co_return std::unexpected(page.error());
    const bool found = std::ranges::any_of(page->entries, [&](const WaitlistEntry& entry) {
      return IsWaiting(entry) && !refused_.WasRefused(entry, round.free);
    });
    if (found || !page->more) co_return found;
    after = page->entries.back().place;
  }
}

asio::awaitable<Result<void>> ShowService::KeepSeatsFor(Round& round, const Entries& servable) {
  Result<bool> waits = true;
  if (round.free.none()) waits = co_await SomebodyMayBeServed(round);
  if (!waits) co_return std::unexpected(waits.error());
  co_return co_await KeepSeats(round, KeepsSeats(*waits, !servable.empty(), round.free));
}

asio::awaitable<Result<void>> ShowService::KeepSeats(Round& round, bool first) {
  if (round.show.waitlist_first == first) co_return Result<void>();
  co_return co_await TellToKeep(round, first);
}

asio::awaitable<Result<void>> ShowService::TellToKeep(Round& round, bool first) {
  // The seat service knows no owner: who is none any more is refused here, first.
  auto owns = co_await Keep(round, std::vector<WaitlistEntry*>());
  if (!owns) co_return std::unexpected(owns.error());
  auto show = co_await shows_.SetWaitlistFirst(round.work.key.show_id, first);
  if (!show) co_return std::unexpected(show.error());
  round.show = *show;
  co_return Result<void>();
}

}  // namespace boxoffice::reservation
