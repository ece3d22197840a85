// What operators do to shows that there are: terms, phases, blocks.
#include <algorithm>

#include <fmt/format.h>

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

}  // namespace

Result<ShowView> SeatService::ChangeShow(int64_t id, const std::function<Result<Show>(const Show&)>& change) {
  const std::scoped_lock requests_lock(requests_mutex_);
  BOXOFFICE_TRY(Follow());  // what is not given stays as any replica has set it
  BOXOFFICE_ASSIGN(Entry entry, Find(id));
  const std::scoped_lock news_lock(news_mutex_);
  entry = *FindKnown(id);
  BOXOFFICE_ASSIGN(Show changed, change(*entry.show));
  if (changed.terms != entry.show->terms) {
    BOXOFFICE_TRY(stores_.requests->UpdateTerms(id, changed.terms));
    entry.show = std::make_shared<const Show>(std::move(changed));
    const std::unique_lock lock(catalogue_mutex_);
    shows_.at(id).show = entry.show;
  }
  return View(entry);
}

Result<ShowView> SeatService::UpdateShow(int64_t id, const TermsChange& change) {
  return ChangeShow(id, [&change](const Show& show) { return ChangeTerms(show, change); });
}

Result<ShowView> SeatService::PublishShow(int64_t id) {
  return ChangeShow(id, [](const Show& show) { return seat::Publish(show); });
}

Result<ShowView> SeatService::CancelShow(int64_t id) {
  return ChangeShow(id, [this](const Show& show) { return Cancel(show, clock_.Now()); });
}

void SeatService::Block(BlockSeats block, const std::optional<Area>& area, Done done) {
  const auto entry = Find(block.show_id);
  if (!entry) return done(std::unexpected(entry.error()));
  const Layout& layout = *entry->show->layout;
  if (area) {
    block.seats = SeatsOf(layout, *area);
    if (block.seats.empty()) {
      Outcome outcome;
      outcome.kind = Outcome::Kind::kRefused;
      outcome.refusal = layout.FindSection(area->section) ? Refusal::kRowUnknown : Refusal::kSectionUnknown;
      outcome.show = entry->show;
      return done(std::move(outcome));
    }
  }
  std::ranges::sort(block.seats);
  block.seats.erase(std::ranges::unique(block.seats).begin(), block.seats.end());
  Submit({std::move(block), {}}, std::move(done));
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
