#include "services/seat/store_layout.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace boxoffice::seat {
namespace {

static_assert(std::endian::native == std::endian::little, "the stored form is little-endian");

constexpr uint32_t kFormat = 1;

class Encoder {
 public:
  template <typename T>
  void Number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_.append(bytes, sizeof(T));
  }
  void Text(std::string_view text) {
    Number(static_cast<uint32_t>(text.size()));
    out_.append(text);
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// Past the end it gives zeros and is not ok any more.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T Number() {
    T value{};
    if (rest_.size() < sizeof(T)) {
      ok_ = false;
      return value;
    }
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_.remove_prefix(sizeof(T));
    return value;
  }
  std::string Text() {
    const auto size = Number<uint32_t>();
    if (rest_.size() < size) {
      ok_ = false;
      return {};
    }
    std::string text(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return text;
  }
  // How many items follow; none of them is empty, so more than there are bytes left can't be true.
  size_t Count() {
    const auto count = Number<uint32_t>();
    if (count > rest_.size()) ok_ = false;
    return ok_ ? count : 0;
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool AtEnd() const { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

bool IsSound(const Layout& layout) {
  for (const Row& row : layout.rows) {
    if (row.section >= layout.sections.size() || uint64_t{row.first_seat} + row.seats > layout.seats.size()) {
      return false;
    }
  }
  for (const Seat& seat : layout.seats) {
    if (seat.row >= layout.rows.size() || seat.category >= layout.categories.size()) return false;
  }
  for (const Section& section : layout.sections) {
    if (uint64_t{section.first_row} + section.rows > layout.rows.size()) return false;
  }
  return true;
}

}  // namespace

std::string EncodeLayout(const Layout& layout) {
  Encoder out;
  out.Number(kFormat);
  out.Number(static_cast<uint32_t>(layout.categories.size()));
  for (const Category& category : layout.categories) {
    out.Text(category.name);
    out.Text(category.color);
    out.Number(category.price);
    out.Number(category.seats);
  }
  out.Number(static_cast<uint32_t>(layout.sections.size()));
  for (const Section& section : layout.sections) {
    out.Text(section.name);
    out.Number(section.first_row);
    out.Number(section.rows);
  }
  out.Number(static_cast<uint32_t>(layout.rows.size()));
  for (const Row& row : layout.rows) {
    out.Text(row.name);
    out.Number(row.section);
    out.Number(row.first_seat);
    out.Number(row.seats);
  }
  out.Number(static_cast<uint32_t>(layout.seats.size()));
  for (const Seat& seat : layout.seats) {
    out.Text(seat.number);
    out.Number(seat.row);
    out.Number(seat.category);
    out.Number(seat.x);
    out.Number(seat.y);
  }
  return out.Take();
}

Result<Layout> DecodeLayout(std::string_view bytes) {
  Decoder in(bytes);
  const auto corrupt = [] { return Fail(Code::kInternal, "layout_corrupt", "a show's stored layout"); };
  if (in.Number<uint32_t>() != kFormat) return corrupt();
  Layout layout;
  layout.categories.resize(in.Count());
  for (Category& category : layout.categories) {
    category.name = in.Text();
    category.color = in.Text();
    category.price = in.Number<int64_t>();
    category.seats = in.Number<uint32_t>();
  }
  layout.sections.resize(in.Count());
  for (Section& section : layout.sections) {
    section.name = in.Text();
    section.first_row = in.Number<uint32_t>();
    section.rows = in.Number<uint32_t>();
  }
  layout.rows.resize(in.Count());
  for (Row& row : layout.rows) {
    row.name = in.Text();
    row.section = in.Number<uint32_t>();
    row.first_seat = in.Number<uint32_t>();
    row.seats = in.Number<uint32_t>();
  }
  layout.seats.resize(in.Count());
  for (Seat& seat : layout.seats) {
    seat.number = in.Text();
    seat.row = in.Number<uint32_t>();
    seat.category = in.Number<uint32_t>();
    seat.x = in.Number<float>();
    seat.y = in.Number<float>();
  }
  if (!in.AtEnd() || !IsSound(layout)) return corrupt();
  layout.NotePlaces();
  return layout;
}

std::string EncodePrices(const Layout& layout) {
  if (layout.first_prices.empty()) return {};
  Encoder out;
  out.Number(kFormat);
  out.Number(static_cast<uint32_t>(layout.categories.size()));
  for (const Category& category : layout.categories) out.Number(category.price);
  const auto own = layout.seat_prices.size() - static_cast<size_t>(std::ranges::count(layout.seat_prices, 0));
  out.Number(static_cast<uint32_t>(own));
  for (size_t i = 0; i < layout.seat_prices.size(); ++i) {
    if (layout.seat_prices[i] == 0) continue;
    out.Number(static_cast<SeatNo>(i + 1));
    out.Number(layout.seat_prices[i]);
  }
  return out.Take();
}

Result<void> DecodePrices(std::string_view bytes, Layout& layout) {
  if (bytes.empty()) return {};
  const auto corrupt = [] { return Fail(Code::kInternal, "layout_corrupt", "a show's stored prices"); };
  Decoder in(bytes);
  if (in.Number<uint32_t>() != kFormat || in.Count() != layout.categories.size()) return corrupt();
  for (Category& category : layout.categories) {
    layout.first_prices.push_back(category.price);
    category.price = in.Number<int64_t>();
  }
  const size_t own = in.Count();
  if (own > 0) layout.seat_prices.resize(layout.seats.size());
  for (size_t i = 0; i < own; ++i) {
    const auto seat_no = in.Number<SeatNo>();
    if (!layout.Has(seat_no)) return corrupt();
    layout.seat_prices[seat_no - 1] = in.Number<int64_t>();
  }
  if (!in.AtEnd()) return corrupt();
  layout.NotePrices();
  return {};
}

std::string EncodeAccess(const Layout& layout) {
  if (layout.accessible.empty()) return {};
  Encoder out;
  out.Number(kFormat);
  out.Number(static_cast<uint32_t>(layout.accessible.size()));
  for (const SeatNo seat_no : layout.accessible) out.Number(seat_no);
  out.Number(static_cast<uint32_t>(layout.companions.size()));
  for (const Companion& one : layout.companions) {
    out.Number(one.seat_no);
    out.Number(one.of);
  }
  return out.Take();
}

Result<void> DecodeAccess(std::string_view bytes, Layout& layout) {
  if (bytes.empty()) return {};
  const auto corrupt = [] { return Fail(Code::kInternal, "layout_corrupt", "a show's accessible seats"); };
  Decoder in(bytes);
  if (in.Number<uint32_t>() != kFormat) return corrupt();
  layout.accessible.resize(in.Count());
  for (SeatNo& seat_no : layout.accessible) seat_no = in.Number<SeatNo>();
  layout.companions.resize(in.Count());
  for (Companion& one : layout.companions) {
    one.seat_no = in.Number<SeatNo>();
    one.of = in.Number<SeatNo>();
  }
  const auto is_seat = [&layout](SeatNo seat_no) { return layout.Has(seat_no); };
  const bool sound = in.AtEnd() && std::ranges::all_of(layout.accessible, is_seat) &&
                     std::ranges::all_of(layout.companions, [&](const Companion& one) {
                       return is_seat(one.seat_no) && is_seat(one.of);
                     });
  if (!sound) return corrupt();
  return {};
}

StoredStage StageToStore(const std::optional<Point>& stage) {
  if (!stage) return {};
  return {1, std::llround(stage->x * 1000), std::llround(stage->y * 1000)};
}

std::optional<Point> StageFrom(const StoredStage& stored) {
  if (stored.ranks == 0) return std::nullopt;
  return Point{static_cast<double>(stored.x_milli) / 1000, static_cast<double>(stored.y_milli) / 1000};
}

std::string EncodeSeats(const std::vector<SeatNo>& seats) {
  std::string bytes(seats.size() * sizeof(SeatNo), '\0');
  if (!seats.empty()) std::memcpy(bytes.data(), seats.data(), bytes.size());
  return bytes;
}

std::vector<SeatNo> DecodeSeats(std::string_view bytes) {
  std::vector<SeatNo> seats(bytes.size() / sizeof(SeatNo));
  if (!seats.empty()) std::memcpy(seats.data(), bytes.data(), seats.size() * sizeof(SeatNo));
  return seats;
}

}  // namespace boxoffice::seat
