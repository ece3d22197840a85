#include "sim/crash_points.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace boxoffice::sim {
namespace {

constexpr Fault kAllFaults[] = {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kReplyLost, Fault::kDelayed,
                                Fault::kDuplicated,  Fault::kNotDone,    Fault::kRefused};
constexpr size_t kMaxFailed = 20;

std::string WordOf(Fault fault) {
  std::string word(FaultName(fault));
  std::ranges::replace(word, ' ', '_');
  return word;
}

std::optional<int> ToNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void Count(const CrashPoint& point, Ran ran, Enumeration& all) {
  ++all.by_course[point.course.Name()];
  if (ran.wrong.empty()) return;
  ++all.failures;
  if (all.failed.size() < kMaxFailed) all.failed.emplace_back(point, std::move(ran));
}

// All that can go wrong a second time, after the point of the first.
void RunSeconds(const CrashPoint& first, const std::vector<Point>& points, Enumeration& all,
                const std::function<bool()>& go_on) {
  for (int number = first.orders.begin()->first + 1; number < static_cast<int>(points.size()); ++number) {
    for (const Fault fault : FaultsAt(points[static_cast<size_t>(number)])) {
      if (!go_on()) return;
      CrashPoint both = first;
      both.orders[number] = fault;
      ++all.pairs;
      Count(both, RunSaga(both.course, both.orchestrators, both.orders), all);
    }
  }
}

}  // namespace

std::string CrashPoint::Name() const {
  std::string name = fmt::format("{}/{}/", course.Name(), orchestrators);
  for (const auto& [number, fault] : orders)
    name += fmt::format("{}{}:{}", number == orders.begin()->first ? "" : ",", number, WordOf(fault));
  return name;
}

std::optional<CrashPoint> ParseCrashPoint(const std::string& name) {
  const size_t second = name.rfind('/');
  const size_t first = second == std::string::npos ? second : name.rfind('/', second - 1);
  if (first == std::string::npos) return std::nullopt;
  CrashPoint point;
  const auto courses = AllCourses();
  const auto course = std::ranges::find(courses, name.substr(0, first), &Course::Name);
  const auto orchestrators = ToNumber(name.substr(first + 1, second - first - 1));
  if (course == courses.end() || !orchestrators || *orchestrators < 1 || *orchestrators > 9)
    return std::nullopt;
  point.course = *course;
  point.orchestrators = *orchestrators;
  std::string rest = name.substr(second + 1);
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string one = rest.substr(0, comma);
    rest.erase(0, comma + 1);
    const size_t colon = std::min(one.find(':'), one.size() - 1);
    const auto number = ToNumber(one.substr(0, colon));
    const auto fault = std::ranges::find(kAllFaults, one.substr(colon + 1), WordOf);
    if (!number || fault == std::end(kAllFaults)) return std::nullopt;
    point.orders[*number] = *fault;
  }
  return point;
}

std::vector<Fault> FaultsAt(const Point& point) {
  std::vector<Fault> faults = {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kReplyLost, Fault::kDelayed,
                               Fault::kDuplicated};
  if (point.kind == PointKind::kCall && point.action) faults.push_back(Fault::kRefused);
  return faults;
}

Enumeration RunCrashPoints(bool pairs, const std::function<bool()>& go_on) {
  Enumeration all;
  for (const Course& course : AllCourses()) {
    for (const int orchestrators : {1, 2}) {
      CrashPoint none{course, orchestrators, {}};
      Ran calm = RunSaga(course, orchestrators, {});
      const std::vector<Point> points = calm.points;
      Count(none, std::move(calm), all);
      all.points += points.size();
      for (int number = 0; number < static_cast<int>(points.size()); ++number) {
        for (const Fault fault : FaultsAt(points[static_cast<size_t>(number)])) {
          if (!go_on()) return all;
          CrashPoint one{course, orchestrators, {{number, fault}}};
          Ran ran = RunSaga(course, orchestrators, one.orders);
          const std::vector<Point> reached = ran.points;
          ++all.singles;
          Count(one, std::move(ran), all);
          if (pairs) RunSeconds(one, reached, all, go_on);
        }
      }
    }
  }
  return all;
}

}  // namespace boxoffice::sim
