// The seats of a show as they stand in the hall: sections of rows of seats, with a category and so a price
// each.
#pragma once

#include <cstdint>
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

struct Category {
  std::string name;
  std::string color;
  int64_t price = 0;   // minor units, 1 … kMaxPrice
  uint32_t seats = 0;  // how many there are
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

struct Point {
  double x = 0;
  double y = 0;
  bool operator==(const Point&) const = default;
};

// A value that never changes once its show was made; shared between threads as shared_ptr<const Layout>. A
// seat's neighbours are those before and after it in its row; the plan's order is the order of preference,
// unless it says where the stage is.
struct Layout {
  std::vector<Category> categories;
  std::vector<Section> sections;
  std::vector<Row> rows;    // section by section
  std::vector<Seat> seats;  // row by row; seat_no 1 first
  // In the plane of the plan: the nearest seats are the best. Not part of the stored layout, but of its show.
  std::optional<Point> stage;
  bool has_places = false;  // not all seats stand at one point
  // Sets has_places; to be called when all seats are there.
  void NotePlaces();

  bool operator==(const Layout&) const = default;

  [[nodiscard]] uint32_t capacity() const { return static_cast<uint32_t>(seats.size()); }
  [[nodiscard]] bool Has(SeatNo seat_no) const { return seat_no >= 1 && seat_no <= seats.size(); }

  // These take a seat that there is.
  [[nodiscard]] const Seat& At(SeatNo seat_no) const { return seats[seat_no - 1]; }
  [[nodiscard]] const Category& CategoryOf(SeatNo seat_no) const { return categories[At(seat_no).category]; }
  [[nodiscard]] const Row& RowOf(SeatNo seat_no) const { return rows[At(seat_no).row]; }
  [[nodiscard]] const Section& SectionOf(SeatNo seat_no) const { return sections[RowOf(seat_no).section]; }
  [[nodiscard]] int64_t PriceOf(SeatNo seat_no) const { return CategoryOf(seat_no).price; }
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

}  // namespace boxoffice::seat
