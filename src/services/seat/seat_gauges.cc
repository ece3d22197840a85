#include "services/seat/seat_gauges.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace boxoffice::seat {
namespace {

constexpr std::string_view kSeats = "boxoffice_show_seats";
constexpr std::string_view kOnSale = "boxoffice_show_on_sale";
constexpr std::array<std::string_view, 4> kStates = {"free", "held", "sold", "blocked"};

obs::Labels LabelsOf(int64_t show_id) { return {{"show", fmt::to_string(show_id)}}; }

obs::Labels LabelsOf(int64_t show_id, std::string_view state) {
  return {{"show", fmt::to_string(show_id)}, {"state", std::string(state)}};
}

bool IsSold(const ShowView& view) {
  return view.state == ShowState::kOnSale || view.state == ShowState::kSoldOut;
}

}  // namespace

void SeatGauges::Look(const SeatService& service) {
  std::vector<ShowView> views;
  for (ConcertPage page{.concerts = {}, .more = true}; page.more;) {
    const int64_t after = page.concerts.empty() ? 0 : page.concerts.back().concert.id;
    page = service.ListConcerts(kMaxConcertPage, after, /*drafts=*/false, When::kUpcoming);
    for (ConcertView& concert : page.concerts) {
      std::ranges::copy_if(concert.shows, std::back_inserter(views), IsSold);
    }
  }
  std::ranges::sort(views, std::ranges::greater{}, [](const ShowView& view) { return view.show->id; });
  if (views.size() > kMaxShows) views.resize(kMaxShows);
  std::set<int64_t> now;
  for (const ShowView& view : views) {
    now.insert(view.show->id);
    Set(view);
  }
  for (const int64_t show_id : told_) {
    if (!now.contains(show_id)) Remove(show_id);
  }
  told_ = std::move(now);
}

void SeatGauges::Set(const ShowView& view) {
  const std::array<uint32_t, 4> counts = {view.counts.free, view.counts.held, view.counts.sold,
                                          view.counts.blocked};
  for (size_t i = 0; i < kStates.size(); ++i) {
    metrics_
        .GetGauge("boxoffice_show_seats", "Seats of a show that is sold now, by what they are",
                  LabelsOf(view.show->id, kStates[i]))
        .Set(counts[i]);
  }
  metrics_
      .GetGauge("boxoffice_show_on_sale", "1 while a show is on sale, 0 when it is sold out",
                LabelsOf(view.show->id))
      .Set(view.state == ShowState::kOnSale ? 1 : 0);
}

void SeatGauges::Remove(int64_t show_id) {
  for (const std::string_view state : kStates) metrics_.Remove(kSeats, LabelsOf(show_id, state));
  metrics_.Remove(kOnSale, LabelsOf(show_id));
}

}  // namespace boxoffice::seat
