#include "boxoffice/demo_plans.h"

#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/check.h"

namespace boxoffice::demo {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int kSeatPitch = 10;  // plan units from seat to seat, and
constexpr int kRowPitch = 14;   // from row to row

// Where the seats of a block are: its first row's middle, and the direction in which its rows go back.
struct Block {
  std::string name;
  double x = 0;
  double y = 0;
  double facing = kPi / 2;  // radians; a quarter turn is straight down the page, away from the stage
  int rows = 0;
  int seats_per_row = 0;
  // The category of a row, counted from 0.
  std::string_view (*category)(int row) = nullptr;
};

// 1 → "A", 26 → "Z", 27 → "AA".
std::string RowName(int row) {
  std::string name;
  for (; row > 0; row = (row - 1) / 26) name.insert(name.begin(), static_cast<char>('A' + (row - 1) % 26));
  return name;
}

class PlanWriter {
 public:
  PlanWriter(std::string_view name,
             const std::vector<std::pair<std::string_view, std::string_view>>& categories)
      : json_(fmt::format(R"({{"name":"{}","categories":[)", name)) {
    for (const auto& [category, color] : categories) {
      Separate();
      Write(R"({{"name":"{}","color":"{}"}})", category, color);
    }
    json_ += R"(],"zones":[)";
  }

  // The most that is written for a seat, so that the text grows in one go.
  void Expect(uint32_t seats) { json_.reserve(json_.size() + size_t{seats} * 120); }

  void Add(const Block& block) {
    ++zones_;
    Separate();
    Write(R"({{"name":"{}","position":{{"x":{},"y":{}}},"rows":[)", block.name, std::lround(block.x),
          std::lround(block.y));
    for (int row = 0; row < block.rows; ++row) AddRow(block, row);
    json_ += "]}";
  }

  Plan Finish(std::string_view name, int width, int height, std::map<std::string, int64_t> prices) {
    Write(R"(],"size":{{"width":{},"height":{}}}}})", width, height);
    return {std::string(name), std::move(json_), std::move(prices), seats_};
  }

 private:
  void AddRow(const Block& block, int row) {
    Separate();
    Write(R"({{"row_number":"{}","seats":[)", RowName(row + 1));
    const double back = row * kRowPitch;
    for (int seat = 1; seat <= block.seats_per_row; ++seat) {
      const double along = (seat - (block.seats_per_row + 1) / 2.0) * kSeatPitch;
      const double x = back * std::cos(block.facing) - along * std::sin(block.facing);
      const double y = back * std::sin(block.facing) + along * std::cos(block.facing);
      Separate();
      Write(R"({{"seat_guid":"{}-{}-{}","seat_number":"{}","position":{{"x":{},"y":{}}},"category":"{}"}})",
            zones_, row + 1, seat, seat, std::lround(x), std::lround(y), block.category(row));
      ++seats_;
    }
    json_ += "]}";
  }

  // A comma between the items of a list.
  void Separate() {
    if (json_.back() == '}') json_ += ',';
  }
  template <typename... T>
  void Write(fmt::format_string<T...> format, T&&... values) {
    fmt::format_to(std::back_inserter(json_), format, std::forward<T>(values)...);
  }

  std::string json_;
  uint32_t seats_ = 0;
  int zones_ = 0;
};

std::string_view FloorCategory(int row) { return row < 10 ? "VIP" : "R"; }
std::string_view BackFloorCategory(int /*row*/) { return "R"; }
std::string_view LowerCategory(int row) { return row < 12 ? "R" : "S"; }
std::string_view UpperCategory(int row) { return row < 15 ? "A" : "B"; }
std::string_view StallsCategory(int row) {
  if (row < 4) return "VIP";
  return row < 14 ? "R" : "S";
}
std::string_view BoxCategory(int /*row*/) { return "S"; }
std::string_view BalconyCategory(int /*row*/) { return "A"; }
std::string_view ClubCategory(int row) { return row < 2 ? "R" : "S"; }

// Blocks side by side around an ellipse, from beside the stage (at the top) all the way round to its other
// side.
void AddRing(PlanWriter& writer, std::string_view name, int blocks, double radius_x, double radius_y,
             Block like) {
  constexpr double kStageGap = kPi / 6;
  const double step = (2 * kPi - 2 * kStageGap) / blocks;
  for (int i = 0; i < blocks; ++i) {
    const double angle = -kPi / 2 + kStageGap + (i + 0.5) * step;
    like.name = fmt::format("{} {}", name, 101 + i);
    like.x = 2500 + radius_x * std::cos(angle);
    like.y = 2350 + radius_y * std::sin(angle);
    like.facing = std::atan2(radius_x * std::sin(angle), radius_y * std::cos(angle));
    writer.Add(like);
  }
}

}  // namespace

Plan Stadium() {
  PlanWriter writer(
      "Stadium",
      {{"VIP", "#b8860b"}, {"R", "#c0392b"}, {"S", "#2471a3"}, {"A", "#239b56"}, {"B", "#7d8c93"}});
  writer.Expect(50'000);
  // 20 × 500 on the floor.
  for (int line = 0; line < 4; ++line) {
    for (int column = 0; column < 5; ++column) {
      writer.Add({fmt::format("Floor {}{}", RowName(line + 1), column + 1), 1900.0 + column * 300,
                  1200.0 + line * 380, kPi / 2, 20, 25, line == 0 ? FloorCategory : BackFloorCategory});
    }
  }
  // 32 × 500, then 40 × 600, each ring behind the last.
  AddRing(writer, "Lower", 32, 1500, 1350, {"", 0, 0, 0, 25, 20, LowerCategory});
  AddRing(writer, "Upper", 40, 2000, 1850, {"", 0, 0, 0, 30, 20, UpperCategory});
  Plan plan =
      writer.Finish("Stadium", 5000, 4700,
                    {{"VIP", 220'000}, {"R", 176'000}, {"S", 154'000}, {"A", 132'000}, {"B", 99'000}});
  CHECK(plan.seats == 50'000, "{}", plan.seats);
  return plan;
}

Plan Hall() {
  PlanWriter writer("Concert hall",
                    {{"VIP", "#b8860b"}, {"R", "#c0392b"}, {"S", "#2471a3"}, {"A", "#239b56"}});
  writer.Expect(2000);
  // 3 × 24 × 16 + 2 × 6 × 8 + 4 × 10 × 18 + 2 × 2 × 8 = 2,000.
  writer.Add({"Stalls Centre", 700, 200, kPi / 2, 24, 16, StallsCategory});
  writer.Add({"Stalls Left", 480, 200, kPi / 2 + 0.15, 24, 16, StallsCategory});
  writer.Add({"Stalls Right", 920, 200, kPi / 2 - 0.15, 24, 16, StallsCategory});
  writer.Add({"Box Left", 180, 260, kPi, 6, 8, BoxCategory});
  writer.Add({"Box Right", 1220, 260, 0, 6, 8, BoxCategory});
  for (int block = 0; block < 4; ++block) {
    writer.Add({fmt::format("Balcony {}", block + 1), 400.0 + block * 200, 640, kPi / 2 + (1.5 - block) * 0.1,
                10, 18, BalconyCategory});
  }
  writer.Add({"Gallery Left", 200, 660, kPi / 2 + 0.4, 2, 8, BalconyCategory});
  writer.Add({"Gallery Right", 1200, 660, kPi / 2 - 0.4, 2, 8, BalconyCategory});
  Plan plan = writer.Finish("Concert hall", 1400, 860,
                            {{"VIP", 150'000}, {"R", 120'000}, {"S", 90'000}, {"A", 60'000}});
  CHECK(plan.seats == 2000, "{}", plan.seats);
  return plan;
}

Plan Club() {
  PlanWriter writer("Club", {{"R", "#c0392b"}, {"S", "#2471a3"}});
  writer.Expect(50);
  writer.Add({"Club", 100, 60, kPi / 2, 5, 10, ClubCategory});
  Plan plan = writer.Finish("Club", 200, 160, {{"R", 66'000}, {"S", 44'000}});
  CHECK(plan.seats == 50, "{}", plan.seats);
  return plan;
}

}  // namespace boxoffice::demo
