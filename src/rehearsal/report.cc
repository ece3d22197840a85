#include "rehearsal/report.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace boxoffice::rehearsal {
namespace {

namespace json = boost::json;

double SecondsOf(std::chrono::nanoseconds value) { return std::chrono::duration<double>(value).count(); }

double PeakRequests(const OnSaleFigures& figures) {
  uint64_t peak = 0;
  for (const Second& second : figures.seconds) peak = std::max(peak, second.answered);
  return static_cast<double>(peak);
}

void AppendSteps(std::string& text, const OnSaleFigures& figures) {
  auto sink = std::back_inserter(text);
  fmt::format_to(sink, "  {:<10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "step", "asked", "p50 ms", "p99 ms",
                 "p99.9 ms", "max ms", "busy");
  for (size_t i = 0; i < kSteps; ++i) {
    const StepFigures& step = figures.steps[i];
    if (step.asked == 0) continue;
    fmt::format_to(sink, "  {:<10} {:>9} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9}\n",
                   StepName(static_cast<Step>(i)), step.asked, Millis(step.latency.Percentile(0.5)),
                   Millis(step.latency.Percentile(0.99)), Millis(step.latency.Percentile(0.999)),
                   Millis(step.latency.max()), step.overloaded);
  }
}

// The queue was, at least once.
bool Watched(const OnSaleFigures& figures) {
  return std::ranges::any_of(figures.seconds, [](const Second& second) { return second.active >= 0; });
}

// Of a sale that was broken off there is none.
Advice AdviceOf(const OnSaleFigures& figures) {
  return figures.cancelled_s ? Advice{} : Advise(figures.seconds);
}
std::string AdviceText(const OnSaleFigures& figures) {
  return figures.cancelled_s ? "no advice: the show was cancelled meanwhile" : Explain(AdviceOf(figures));
}

void AppendSoldOut(std::string& text, const OnSaleFigures& figures) {
  const auto after = [](const std::optional<double>& seconds) {
    return seconds ? fmt::format("after {:.1f} s", *seconds) : std::string("not");
  };
  auto sink = std::back_inserter(text);
  if (figures.cancelled_s)
    fmt::format_to(sink, "  CANCELLED      {}: the rest was not played\n", after(figures.cancelled_s));
  fmt::format_to(sink, "  sold out       {}{}; nothing free for the first time {}{}\n",
                 after(figures.sold_out_s),
                 figures.sold_out_s && figures.seats_bought == 0
                     ? ", though these buyers bought nothing: all seats are sold or blocked"
                     : "",
                 after(figures.none_free_s),
                 figures.kept_for_channels == 0
                     ? ""
                     : fmt::format("; {} seats are kept for channels", figures.kept_for_channels));
}

void AppendAdmission(std::string& text, const Report& report) {
  auto sink = std::back_inserter(text);
  if (!Watched(report.figures)) {
    const std::string& failure = report.figures.watch_failure;
    fmt::format_to(sink, "  admission      not watched: {}\n",
                   report.options.operator_jwt.empty() ? "that takes an operator's token"
                   : failure.empty()                   ? "it did not come to that"
                                                       : failure);
    return;
  }
  const Admission admission = JudgeAdmission(report.figures.seconds);
  if (admission.seconds > 0) {
    fmt::format_to(
        sink,
        "  admission      {:.1f}/s of {:.1f}/s ({:.1f} %), over {:.0f} s with a line and below the cap\n",
        admission.measured_per_s, admission.target_per_s, admission.Accuracy() * 100, admission.seconds);
  } else {
    fmt::format_to(sink,
                   "  admission      not judged: that takes two seconds in a row in which the queue is open "
                   "and below its cap, and somebody waits\n");
  }
  fmt::format_to(sink, "  active         {} at most, cap {}{}; at the cap for {:.0f} s\n",
                 admission.most_active, admission.active_cap, admission.cap_exceeded ? ": EXCEEDED" : "",
                 admission.at_cap_seconds);
}

json::object StepsOf(const OnSaleFigures& figures) {
  json::object steps;
  for (size_t i = 0; i < kSteps; ++i) {
    const StepFigures& step = figures.steps[i];
    if (step.asked == 0) continue;
    steps[StepName(static_cast<Step>(i))] = json::object{{"asked", step.asked},
                                                         {"busy", step.overloaded},
                                                         {"mean_ms", Millis(step.latency.mean())},
                                                         {"p50_ms", Millis(step.latency.Percentile(0.5))},
                                                         {"p99_ms", Millis(step.latency.Percentile(0.99))},
                                                         {"p99_9_ms", Millis(step.latency.Percentile(0.999))},
                                                         {"max_ms", Millis(step.latency.max())}};
  }
  return steps;
}

// -1, "not known", is null.
json::value Known(int64_t value) { return value < 0 ? json::value(nullptr) : json::value(value); }

json::array SecondsList(const OnSaleFigures& figures) {
  json::array seconds;
  for (const Second& second : figures.seconds) {
    seconds.push_back(json::object{{"at_s", second.at_s},
                                   {"arrived", second.arrived},
                                   {"ended", second.ended},
                                   {"answered", second.answered},
                                   {"busy", second.overloaded},
                                   {"slow", second.slow},
                                   {"served", second.served},
                                   {"confirmed", second.confirmed},
                                   {"waiting", Known(second.waiting)},
                                   {"active", Known(second.active)},
                                   {"admitted", Known(second.admitted)},
                                   {"free", Known(second.free)},
                                   {"held", Known(second.held)},
                                   {"sold", Known(second.sold)}});
  }
  return seconds;
}

json::value AuditOf(const Report& report) {
  if (!report.audited) return json::object{{"ok", nullptr}, {"failure", report.audit_failure}};
  boost::system::error_code error;
  json::value audit = json::parse(report.audit_json, error);
  if (error) return json::object{{"ok", report.audit_clean}};
  return audit;
}

}  // namespace

std::string RenderProgress(const Second& second, size_t buyers) {
  std::string text = fmt::format("{:>4.0f} s  arrived {}/{}", second.at_s, second.arrived, buyers);
  if (second.waiting >= 0) text += fmt::format("  waiting {}  active {}", second.waiting, second.active);
  if (second.free >= 0)
    text += fmt::format("  free {}  held {}  sold {}", second.free, second.held, second.sold);
  text += fmt::format("  {} answers/s", second.answered);
  if (second.overloaded > 0) text += fmt::format("  {} busy", second.overloaded);
  if (second.slow > 0) text += fmt::format("  {} slow", second.slow);
  return text;
}

json::object CountsOf(const std::map<std::string, uint64_t>& counts) {
  json::object object;
  for (const auto& [code, count] : counts) object[code] = count;
  return object;
}

std::string RenderTable(const Report& report) {
  const OnSaleFigures& figures = report.figures;
  std::string text;
  auto sink = std::back_inserter(text);
  fmt::format_to(sink, "\nrehearsal of show {} at {}: {} of {} buyers came, {:.1f} s, seed {}\n", report.show,
                 report.target, figures.arrived, report.options.arrivals.buyers, SecondsOf(figures.elapsed),
                 report.options.seed);
  AppendSteps(text, figures);
  fmt::format_to(sink, "  requests       {} ({:.0f}/s, in the busiest second {:.0f})\n", figures.Requests(),
                 static_cast<double>(figures.Requests()) / std::max(1e-9, SecondsOf(figures.elapsed)),
                 PeakRequests(figures));
  std::string endings;
  for (size_t i = 0; i < kEndings; ++i) {
    if (figures.endings[i] > 0)
      endings += fmt::format("{} {}   ", EndingName(static_cast<Ending>(i)), figures.endings[i]);
  }
  fmt::format_to(sink, "  buyers         {}unfinished {}\n", endings, figures.unfinished);
  fmt::format_to(sink, "  sold           {} seats in {} reservations, of which {} seats were given back\n",
                 figures.seats_bought, figures.confirmed, figures.seats_cancelled);
  AppendSoldOut(text, figures);
  AppendAdmission(text, report);
  for (const auto& [code, count] : figures.refusals)
    fmt::format_to(sink, "  refused        {:<28} {}\n", code, count);
  fmt::format_to(sink, "  errors         {}\n", figures.ErrorCount());
  for (const auto& [code, count] : figures.errors)
    fmt::format_to(sink, "                 {:<28} {}\n", code, count);
  fmt::format_to(sink, "  advice         {}\n", AdviceText(figures));
  if (figures.HeldUp())
    fmt::format_to(sink,
                   "  CAUTION        requests were sent {:.0f} ms late (p99): give it --connections, or "
                   "another machine\n",
                   Millis(figures.behind.Percentile(0.99)));
  fmt::format_to(sink, "  audit          {}\n",
                 report.audited ? (report.audit_clean ? "clean" : "NOT CLEAN")
                                : fmt::format("not done: {}", report.audit_failure));
  if (report.audited && !report.audit_clean)
    fmt::format_to(sink, "    {}\n", report.audit_json.substr(0, 2'000));
  return text;
}

std::string RenderJson(const Report& report) {
  const OnSaleFigures& figures = report.figures;
  const Admission admission = JudgeAdmission(figures.seconds);
  const Advice advice = AdviceOf(figures);
  json::object endings;
  for (size_t i = 0; i < kEndings; ++i) endings[EndingName(static_cast<Ending>(i))] = figures.endings[i];
  const json::object object{
      {"target", report.target},
      {"show", report.show},
      {"seed", report.options.seed},
      {"buyers", report.options.arrivals.buyers},
      {"arrived", figures.arrived},
      {"unfinished", figures.unfinished},
      {"seconds", SecondsOf(figures.elapsed)},
      {"requests", figures.Requests()},
      {"peak_requests_per_s", PeakRequests(figures)},
      {"steps", StepsOf(figures)},
      {"endings", std::move(endings)},
      {"admitted", figures.admitted},
      {"confirmed", figures.confirmed},
      {"seats_bought", figures.seats_bought},
      {"seats_cancelled", figures.seats_cancelled},
      {"none_free_s", figures.none_free_s ? json::value(*figures.none_free_s) : json::value(nullptr)},
      {"sold_out_s", figures.sold_out_s ? json::value(*figures.sold_out_s) : json::value(nullptr)},
      {"kept_for_channels", figures.kept_for_channels},
      {"cancelled_s", figures.cancelled_s ? json::value(*figures.cancelled_s) : json::value(nullptr)},
      {"admission", json::object{{"watched", Watched(figures)},
                                 {"judged_s", admission.seconds},
                                 {"target_per_s", admission.target_per_s},
                                 {"measured_per_s", admission.measured_per_s},
                                 {"most_active", admission.most_active},
                                 {"active_cap", admission.active_cap},
                                 {"cap_exceeded", admission.cap_exceeded},
                                 {"at_cap_s", admission.at_cap_seconds}}},
      {"refusals", CountsOf(figures.refusals)},
      {"errors", CountsOf(figures.errors)},
      {"advice", json::object{{"capacity_per_s", advice.capacity_per_s},
                              {"capacity_active", advice.capacity_active},
                              {"limit_seen", advice.limit_seen},
                              {"rate_per_s", advice.rate_per_s},
                              {"active_cap", advice.active_cap},
                              {"text", AdviceText(figures)}}},
      {"generator", json::object{{"behind_p50_ms", Millis(figures.behind.Percentile(0.5))},
                                 {"behind_p99_ms", Millis(figures.behind.Percentile(0.99))},
                                 {"held_up", figures.HeldUp()}}},
      {"audit", AuditOf(report)},
      {"per_second", SecondsList(figures)},
  };
  return json::serialize(object);
}

}  // namespace boxoffice::rehearsal
