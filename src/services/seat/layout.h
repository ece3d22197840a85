// The seats of a show as they stand in the hall: sections of rows of seats, with a category and so a price
// each.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boxoffice::seat {

// The number of a seat within its show: 1 … capacity, in the order of the plan.
using SeatNo = uint32_t;

inline constexpr uint32_t kMaxSeats = 100'000;  // of one show
inline constexpr size_t kMaxSeatsPerHold = 8;
inline constexpr size_t kMaxSeatsPerBlock = 5'000;  // of one request of an operator
inline constexpr size_t kMaxChannelName = 50;

struct Category {
  std::string name;
  std::string color;
  int64_t price = 0;   // minor units, 1 … kMaxPrice; of its seats, unless one has a price of its own
  uint32_t seats = 0;  // how many there are
  int64_t lowest = 0;  // of its seats' prices; 0: none has one of its own
  int64_t highest = 0;
  bool operator==(const Category&) const = default;
};
struct Section {
  std::string name;  // unique
  uint32_t first_row = 0;
  uint32_t rows = 0;
  bool operator==(const Section&) const = default;
};
struct Row {
  std::string name;  // unique in its section
  uint32_t section = 0;
  uint32_t first_seat = 0;  // index: seat_no - 1
  uint32_t seats = 0;
  bool operator==(const Row&) const = default;
};
struct Seat {
  std::string number;  // unique in its row
  uint32_t row = 0;
  uint32_t category = 0;
  float x = 0;
  float y = 0;
  bool operator==(const Seat&) const = default;
};

// A seat beside an accessible one, for whoever comes with its buyer.
struct Companion {
  SeatNo seat_no = 0;
  SeatNo of = 0;
  bool operator==(const Companion&) const = default;
};

struct Point {
  double x = 0;
  double y = 0;
  bool operator==(const Point&) const = default;
};

// A value; shared between threads as shared_ptr<const Layout>, and replaced as a whole when an operator
// changes prices, which is all that changes once its show was made. A seat's neighbours are those before and
// after it in its row; the plan's order is the order of preference, unless it says where the stage is.
struct Layout {
  std::vector<Category> categories;
  std::vector<Section> sections;
  std::vector<Row> rows;    // section by section
  std::vector<Seat> seats;  // row by row; seat_no 1 first
  // In the plane of the plan: the nearest seats are the best. Not part of the stored layout, but of its show;
  // in thousandths, as it is stored.
  std::optional<Point> stage;
  bool has_places = false;  // not all seats stand at one point
  // Seats for wheelchairs, sorted, and their companions', by seat_no: best available chooses neither unless
  // it is asked for accessible ones. Whoever names them gets them.
  std::vector<SeatNo> accessible;
  std::vector<Companion> companions;
  // By seat_no - 1, of seats with a price of their own; 0: the category's. Empty: no seat has one.
  std::vector<int64_t> seat_prices;
  // What each category cost when the show was made. Empty: as it does now.
  std::vector<int64_t> first_prices;
  uint64_t version = 0;  // how often prices were changed
  // Sets has_places; to be called when all seats are there.
  void NotePlaces();
  // Sets each category's lowest and highest; to be called when prices have changed.
  void NotePrices();

  bool operator==(const Layout&) const = default;

  [[nodiscard]] uint32_t capacity() const { return static_cast<uint32_t>(seats.size()); }
  [[nodiscard]] bool Has(SeatNo seat_no) const { return seat_no >= 1 && seat_no <= seats.size(); }

  // These take a seat that there is.
  [[nodiscard]] const Seat& At(SeatNo seat_no) const { return seats[seat_no - 1]; }
  [[nodiscard]] const Category& CategoryOf(SeatNo seat_no) const { return categories[At(seat_no).category]; }
  [[nodiscard]] const Row& RowOf(SeatNo seat_no) const { return rows[At(seat_no).row]; }
  [[nodiscard]] const Section& SectionOf(SeatNo seat_no) const { return sections[RowOf(seat_no).section]; }
  [[nodiscard]] int64_t PriceOf(SeatNo seat_no) const {
    if (!seat_prices.empty() && seat_prices[seat_no - 1] != 0) return seat_prices[seat_no - 1];
    return CategoryOf(seat_no).price;
  }
  // When the show was made.
  [[nodiscard]] int64_t FirstPriceOf(SeatNo seat_no) const {
    return first_prices.empty() ? CategoryOf(seat_no).price : first_prices[At(seat_no).category];
  }
  // In the plane of the plan; by its rows and numbers where that gives no places.
  [[nodiscard]] Point PlaceOf(SeatNo seat_no) const {
    const Seat& seat = At(seat_no);
    if (has_places) return {seat.x, seat.y};
    return {static_cast<double>(seat_no - 1 - rows[seat.row].first_seat), static_cast<double>(seat.row)};
  }
  // What the buyer reads on the ticket, unique in the show: "Floor A-12".
  [[nodiscard]] std::string LabelOf(SeatNo seat_no) const;

  [[nodiscard]] std::optional<uint32_t> FindSection(std::string_view name) const;
  [[nodiscard]] std::optional<uint32_t> FindCategory(std::string_view name) const;
};

// The layout, or the equal one that somebody in this process has from here: shows of one hall hold its seats
// once, as long as they cost the same. Nothing is kept for nobody. Thread-safe.
[[nodiscard]] std::shared_ptr<const Layout> ShareLayout(Layout layout);

}  // namespace boxoffice::seat
