// What operators do to concerts and shows that there are: names, terms, phases, blocks, channels, prices,
// moves.
#include <algorithm>

#include <fmt/format.h>

#include "base/sort_unique.h"
#include "services/seat/service.h"

namespace boxoffice::seat {
namespace {

// The seats of an area; none: there is no such section or row.
std::vector<SeatNo> SeatsOf(const Layout& layout, const Area& area) {
  std::vector<SeatNo> seats;
  const auto section = layout.FindSection(area.section);
  if (!section) return seats;
  const Section& within = layout.sections[*section];
  for (uint32_t row = within.first_row; row < within.first_row + within.rows; ++row) {
    const Row& one = layout.rows[row];
    if (!area.row.empty() && one.name != area.row) continue;
    for (uint32_t i = 0; i < one.seats; ++i) seats.push_back(one.first_seat + i + 1);
  }
  return seats;
}

// Of an area without seats.
Refusal WhatIsUnknown(const Layout& layout, const Area& area) {
  return layout.FindSection(area.section) ? Refusal::kRowUnknown : Refusal::kSectionUnknown;
}

bool IsChannelName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxChannelName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

// Two answers as one. The seats of the second come after those of the first.
Outcome Joined(Outcome first, const Outcome& second) {
  first.show = second.show;
  first.seats.insert(first.seats.end(), second.seats.begin(), second.seats.end());
  first.prices.insert(first.prices.end(), second.prices.begin(), second.prices.end());
  first.amount += second.amount;
  first.changed += second.changed;
  return first;
}

std::unexpected<Error> NoShow(int64_t id) {
  return Fail(Code::kNotFound, "show_not_found", fmt::format("no show {}", id));
}

// Of operators who change one concert or one show at once, by several replicas.
constexpr int kMaxTries = 5;

}  // namespace

Result<ConcertView> SeatService::UpdateConcert(int64_t id, const ConcertChange& change) {
  const std::scoped_lock requests_lock(requests_mutex_);
  for (int i = 0; i < kMaxTries; ++i) {
    BOXOFFICE_TRY(Follow());  // what is not given stays as any replica has set it
    const std::scoped_lock news_lock(news_mutex_);
    const std::optional<ConcertView> known = FindKnownConcert(id);
    if (!known) return Fail(Code::kNotFound, "concert_not_found", fmt::format("no concert {}", id));
    BOXOFFICE_ASSIGN(Concert changed, ChangeConcert(known->concert, change));
    if (changed == known->concert) return *known;
    BOXOFFICE_ASSIGN(const bool saved, stores_.requests->UpdateConcert(known->concert, changed));
    if (!saved) continue;  // another operator was first
    const std::unique_lock lock(catalogue_mutex_);
    return ViewLocked(concerts_.at(id) = std::move(changed));
  }
  return Fail(Code::kUnavailable, "contention", "other operators change the concert");
}

Result<ShowView> SeatService::ChangeShow(int64_t id, const std::function<Result<Show>(const Show&)>& change) {
  const std::scoped_lock requests_lock(requests_mutex_);
  for (int i = 0; i < kMaxTries; ++i) {
    BOXOFFICE_TRY(Follow());  // what is not given stays as any replica has set it
    const std::scoped_lock news_lock(news_mutex_);
    const std::optional<Entry> known = FindKnown(id);
    if (!known) return NoShow(id);
    Entry entry = *known;
    const ShowTerms& before = entry.show->terms;
    BOXOFFICE_ASSIGN(Show changed, change(*entry.show));
    if (changed.terms == before) return View(entry);
    BOXOFFICE_ASSIGN(const bool saved, stores_.requests->UpdateTerms(id, before, changed.terms));
    if (!saved) continue;  // another operator was first
    entry.show = std::make_shared<const Show>(std::move(changed));
    {
      const std::unique_lock lock(catalogue_mutex_);
      shows_.at(id).show = entry.show;
    }
    return View(entry);
  }
  return Fail(Code::kUnavailable, "contention", "other operators change the show's terms");
}

Result<ShowView> SeatService::UpdateShow(int64_t id, const TermsChange& change) {
  return ChangeShow(id, [&change](const Show& show) { return ChangeTerms(show, change); });
}

Result<ShowView> SeatService::SetWaitlistFirst(int64_t id, bool first) {
  return ChangeShow(id, [first](const Show& show) -> Result<Show> {
    Show changed = show;
    changed.terms.waitlist_first = first;
    return changed;
  });
}

// A move names the reservation and its seats, but the rules need the buyer's row: moves are rare, and cost
// their batch a look at these seats.
Result<void> SeatService::FindBuyers(std::vector<Command>& commands) {
  Keys keys;
  for (const Command& command : commands) {
    const auto* move = std::get_if<MoveSeats>(&command.body);
    if (move == nullptr) continue;
    for (const SeatNo seat_no : move->from) keys.seats.push_back({move->show_id, seat_no});
  }
  SortUnique(keys.seats);
  BOXOFFICE_ASSIGN(const Rows rows, stores_.commands->Load(keys));
  for (Command& command : commands) {
    auto* move = std::get_if<MoveSeats>(&command.body);
    if (move == nullptr || move->from.empty()) continue;
    const SeatKey first{move->show_id, move->from.front()};
    const auto row = std::ranges::lower_bound(rows.seats, first, {}, &SeatRow::key);
    if (row->BelongsTo(move->reservation)) move->user_id = row->user_id;
  }
  return {};
}

Result<ShowView> SeatService::PublishShow(int64_t id) {
  return ChangeShow(id, [](const Show& show) { return seat::Publish(show); });
}

Result<ShowView> SeatService::CancelShow(int64_t id) {
  return ChangeShow(id, [this](const Show& show) { return Cancel(show, clock_.Now()); });
}

std::optional<Outcome> SeatService::FillArea(const Entry& entry, const std::optional<Area>& area,
                                             std::vector<SeatNo>& seats) {
  const Layout& layout = *entry.show->layout;
  if (area) seats = SeatsOf(layout, *area);
  SortUnique(seats);
  if (!area || !seats.empty()) return std::nullopt;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kRefused;
  outcome.refusal = WhatIsUnknown(layout, *area);
  outcome.show = entry.show;
  return outcome;
}

void SeatService::Block(BlockSeats block, const std::optional<Area>& area, Done done) {
  const auto entry = Find(block.show_id);
  if (!entry) return done(std::unexpected(entry.error()));
  if (auto refused = FillArea(*entry, area, block.seats)) return done(*std::move(refused));
  Submit({std::move(block), {}}, std::move(done));
}

void SeatService::Assign(AssignChannel assign, const std::optional<Area>& area, Done done) {
  const auto entry = Find(assign.show_id);
  if (!entry) return done(std::unexpected(entry.error()));
  if (!assign.channel.empty() && !IsChannelName(assign.channel)) {
    return done(Fail(Code::kInvalidArgument, "channel_invalid", "channel: has 1 to 50 of a-z 0-9 _ -"));
  }
  const Timestamp now = clock_.Now();
  if (assign.until != Timestamp{} && (assign.until <= now || assign.channel.empty())) {
    return done(Fail(Code::kInvalidArgument, "channel_invalid", "until: is not to come"));
  }
  if (!area && assign.seats.empty() && assign.channel.empty()) {
    // Another replica may have kept them a moment ago.
    if (const auto followed = Follow(); !followed) return done(std::unexpected(followed.error()));
    for (const SeatMap::Contingent& one : entry->map->Contingents(now)) {
      if (one.channel == assign.from_channel) assign.seats = one.seats;
    }
    // There is nothing to give back.
    if (assign.seats.empty()) return done(Outcome{.show = entry->show});
    return GiveBack(std::move(assign), {}, std::move(done));
  }
  if (auto refused = FillArea(*entry, area, assign.seats)) return done(*std::move(refused));
  Submit({std::move(assign), {}}, std::move(done));
}

// In as many transactions as it takes, one after the other: nobody has named so many seats. None is refused
// for who has them, and after a failure the same request gives back what is left. `given`: by those before.
void SeatService::GiveBack(AssignChannel assign, Outcome given, Done done) {
  std::vector<SeatNo> rest;
  if (assign.seats.size() > kMaxSeatsPerBlock) {
    const auto end = assign.seats.begin() + static_cast<ptrdiff_t>(kMaxSeatsPerBlock);
    rest.assign(end, assign.seats.end());
    assign.seats.erase(end, assign.seats.end());
  }
  Command command{assign, {}};
  auto next = [this, assign = std::move(assign), rest = std::move(rest), given = std::move(given),
               done = std::move(done)](Result<Outcome> outcome) mutable {
    if (!outcome || outcome->kind != Outcome::Kind::kDone) return done(std::move(outcome));
    Outcome all = Joined(std::move(given), *outcome);
    if (rest.empty()) return done(std::move(all));
    assign.seats = std::move(rest);
    GiveBack(std::move(assign), std::move(all), std::move(done));
  };
  Submit(std::move(command), std::move(next));
}

Result<std::vector<SeatMap::Contingent>> SeatService::Contingents(int64_t show_id) {
  BOXOFFICE_ASSIGN(const Entry entry, Find(show_id, Asker::kInformed));
  return entry.map->Contingents(clock_.Now());
}

Result<ShowView> SeatService::ChangePrices(int64_t id, PriceChange change, const std::optional<Area>& area) {
  const std::scoped_lock requests_lock(requests_mutex_);
  for (int i = 0; i < kMaxTries; ++i) {
    BOXOFFICE_TRY(Follow());  // the prices as any replica has set them
    const std::scoped_lock news_lock(news_mutex_);
    const std::optional<Entry> known = FindKnown(id);
    if (!known) return NoShow(id);
    Entry entry = *known;
    const Layout& layout = *entry.show->layout;
    if (area) {
      change.seats = SeatsOf(layout, *area);
      if (change.seats.empty()) {
        return Fail(Code::kInvalidArgument, RefusalName(WhatIsUnknown(layout, *area)));
      }
    }
    SortUnique(change.seats);
    BOXOFFICE_ASSIGN(const Repriced repriced, seat::ChangePrices(layout, id, change, clock_.Now()));
    if (!repriced.layout) return View(entry);
    BOXOFFICE_ASSIGN(const bool saved, stores_.requests->SavePrices(id, *repriced.layout, repriced.notes));
    if (!saved) continue;  // another operator was first
    Show priced = *entry.show;
    priced.layout = repriced.layout;
    entry.show = std::make_shared<const Show>(std::move(priced));
    {
      const std::unique_lock lock(catalogue_mutex_);
      shows_.at(id).show = entry.show;
    }
    entry.map->SetPrices(repriced.layout);
    return View(entry);
  }
  return Fail(Code::kUnavailable, "contention", "other operators change the show's prices");
}

Result<PriceNotePage> SeatService::ListPriceNotes(int64_t show_id, int64_t before_id, size_t limit) {
  limit = std::clamp<size_t>(limit, 1, kMaxBlockPage);
  BOXOFFICE_TRY(Find(show_id));
  PriceNotePage page;
  const std::scoped_lock requests_lock(requests_mutex_);
  BOXOFFICE_ASSIGN(page.notes, stores_.requests->LoadPriceNotes(show_id, before_id, limit + 1));
  page.more = page.notes.size() > limit;
  if (page.more) page.notes.resize(limit);
  return page;
}

Result<BlockPage> SeatService::ListBlocks(int64_t show_id, int64_t before_id, size_t limit) {
  limit = std::clamp<size_t>(limit, 1, kMaxBlockPage);
  BOXOFFICE_TRY(Find(show_id));
  BlockPage page;
  const std::scoped_lock requests_lock(requests_mutex_);
  BOXOFFICE_ASSIGN(page.notes, stores_.requests->LoadBlocks(show_id, before_id, limit + 1));
  page.more = page.notes.size() > limit;
  if (page.more) page.notes.resize(limit);
  return page;
}

}  // namespace boxoffice::seat
