#include "base/clock.h"

namespace boxoffice {
namespace {

// `digits` decimal digits of `value` at `to`.
void Put(char* to, int digits, unsigned value) {
  for (int i = digits - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

}  // namespace

// By hand: an answer has seven of these, and fmt's calendar formatting takes half a microsecond for each.
std::string ToRfc3339(Timestamp t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(t - day);
  std::string text = "0000-00-00T00:00:00.000Z";
  Put(&text[0], 4, static_cast<unsigned>(static_cast<int>(date.year())));
  Put(&text[5], 2, static_cast<unsigned>(date.month()));
  Put(&text[8], 2, static_cast<unsigned>(date.day()));
  Put(&text[11], 2, static_cast<unsigned>(time.hours().count()));
  Put(&text[14], 2, static_cast<unsigned>(time.minutes().count()));
  Put(&text[17], 2, static_cast<unsigned>(time.seconds().count()));
  Put(&text[20], 3, static_cast<unsigned>(time.subseconds().count()));
  return text;
}

}  // namespace boxoffice
