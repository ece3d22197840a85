#include "audit/module.h"

#include <algorithm>
#include <future>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <sys/resource.h>

#include "platform/obs/log.h"

namespace boxoffice::audit {

using SteadyClock = std::chrono::steady_clock;

namespace {

Result<Verdict> NotRunning() { return Fail(Code::kUnavailable, "not_running", "the auditor does not run"); }

}  // namespace

// An audit that could not read everything says nothing of the rest: the next must not wait for hours. But it
// may have been as much work. What is too large stays so. What an audit waits for is no work: while something
// is wrong, and waited for each time, what else goes wrong is found as soon as ever.
milliseconds PauseAfter(const Result<Verdict>& verdict, milliseconds took, milliseconds every) {
  const auto is_too_large = [](const std::string& unread) { return unread.starts_with(kTooLarge); };
  const bool too_large =
      verdict ? std::ranges::any_of(verdict->unread, is_too_large) : verdict.error().reason == kTooLarge;
  const bool soon = !too_large && !(verdict && verdict->unread.empty());
  const milliseconds worked = verdict ? took - verdict->waited : took;
  return std::max(every, soon ? worked : 20 * worked);
}

std::string ToJson(const Verdict& verdict) {
  boost::json::object checked;
  for (const auto& [what, count] : verdict.checked) checked[what] = count;
  boost::json::array invariants;
  for (const Invariant invariant : kInvariants) {
    const auto count = std::ranges::count(verdict.violations, invariant, &Violation::invariant);
    invariants.push_back(boost::json::object{
        {"number", static_cast<int>(invariant)}, {"name", InvariantName(invariant)}, {"violations", count}});
  }
  boost::json::array violations;
  for (const Violation& violation : verdict.violations) {
    violations.push_back(
        boost::json::object{{"invariant", static_cast<int>(violation.invariant)},
                            {"name", InvariantName(violation.invariant)},
                            {"ids", boost::json::array(violation.ids.begin(), violation.ids.end())},
                            {"detail", violation.detail}});
  }
  boost::json::array unread(verdict.unread.begin(), verdict.unread.end());
  return boost::json::serialize(boost::json::object{{"ok", verdict.ok},
                                                    {"checked", std::move(checked)},
                                                    {"invariants", std::move(invariants)},
                                                    {"violations", std::move(violations)},
                                                    {"unread", std::move(unread)},
                                                    {"at", ToRfc3339(verdict.at)},
                                                    {"took_ms", verdict.took.count()}});
}

AuditModule::AuditModule(const module::Runtime& runtime, AuditConfig config)
    : channels_(config.channels ? config.channels : runtime.channels),
      bus_(runtime.bus),
      clock_(runtime.clock),
      metrics_(runtime.metrics),
      config_(std::move(config)),
      violations_(runtime.metrics.GetGauge("boxoffice_audit_violations", "Violations in the last verdict")),
      runs_(runtime.metrics.GetCounter("boxoffice_audit_runs_total",
                                       "Audits that came to a verdict about everything")),
      failures_(runtime.metrics.GetCounter("boxoffice_audit_failures_total",
                                           "Audits that could not read everything: they came to no verdict, "
                                           "or only name what they have found")),
      last_run_(runtime.metrics.GetGauge("boxoffice_audit_last_run_timestamp_seconds",
                                         "When the last audit with a verdict about everything began")),
      start_(runtime.metrics.GetGauge("boxoffice_audit_start_timestamp_seconds",
                                      "Since when this process audits by itself; 0: only on demand")),
      duration_(runtime.metrics.GetGauge("boxoffice_audit_duration_seconds",
                                         "How long the last audit with a verdict about everything took")) {
  for (const Invariant invariant : kInvariants) ViolationsOf(invariant).Set(0);
}

obs::Gauge& AuditModule::ViolationsOf(Invariant invariant) {
  return metrics_.GetGauge("boxoffice_audit_invariant_violations",
                           "Violations of an invariant that the last verdict names",
                           {{"invariant", std::string(InvariantName(invariant))}});
}

AuditModule::~AuditModule() { Stop(); }

Result<void> AuditModule::Start() {
  auditor_ = std::make_unique<Auditor>(
      channels_, bus_, clock_,
      Surroundings{.wait = [this](milliseconds how_long) { return WaitFor(how_long); },
                   .after_page = [this] { return Pace(); }},
      config_.bounds, config_.patience, config_.limits);
  if (config_.every.count() > 0) start_.Set(static_cast<double>(ToUnixMs(clock_.Now())) / 1000);
  {
    // The gateway serves already, so somebody may be asking for an audit.
    const std::scoped_lock lock(mutex_);
    stopping_ = false;
  }
  thread_ = std::thread([this] { Loop(); });
  return {};
}

// An audit is worth nothing half done, so draining is stopping.
void AuditModule::Drain(milliseconds) { Stop(); }

void AuditModule::Stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (auditor_) auditor_->Cancel();  // it may wait for sums that take minutes
  if (thread_.joinable()) thread_.join();
  auditor_.reset();  // the channels go before the services do
  std::vector<Told> asked;
  {
    const std::scoped_lock lock(mutex_);
    asked.swap(asked_);
  }
  Tell(asked, NotRunning());
}

bool AuditModule::WaitFor(milliseconds how_long) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, how_long, [this] { return stopping_; });
}

// The background audit works half of the time: it waits after each page as long as the page took, unless
// somebody waits for it.
bool AuditModule::Pace() {
  std::unique_lock lock(mutex_);
  const auto took =
      std::min<SteadyClock::duration>(SteadyClock::now() - page_began_, std::chrono::seconds(1));
  changed_.wait_for(lock, took, [this] { return stopping_ || hurried_ > 0; });
  page_began_ = SteadyClock::now();
  return !stopping_;
}

void AuditModule::Loop() {
  milliseconds pause = config_.every;
  while (const std::optional<std::vector<Told>> asked = AwaitNext(pause)) {
    const auto began = SteadyClock::now();
    const Result<Verdict> verdict = asked->empty() ? AuditInBackground() : Audit();
    pause = PauseAfter(verdict, std::chrono::duration_cast<milliseconds>(SteadyClock::now() - began),
                       config_.every);
    if (!verdict && verdict.error().reason != "stopping") {
      obs::Log(obs::Level::kWarning, "audit_failed",
               {{"reason", verdict.error().reason}, {"detail", verdict.error().detail}});
    }
    Tell(*asked, verdict);
  }
}

std::optional<std::vector<AuditModule::Told>> AuditModule::AwaitNext(milliseconds pause) {
  std::unique_lock lock(mutex_);
  const auto at_once = [this] { return stopping_ || !asked_.empty(); };
  if (config_.every.count() > 0) {
    changed_.wait_for(lock, pause, at_once);
  } else {
    changed_.wait(lock, at_once);
  }
  if (stopping_) return std::nullopt;
  return std::exchange(asked_, {});  // who asks from now on may have seen what this audit does not see
}

void AuditModule::Tell(const std::vector<Told>& asked, const Result<Verdict>& verdict) {
  {
    const std::scoped_lock lock(mutex_);
    if (verdict) last_ = *verdict;
    hurried_ -= static_cast<int>(asked.size());
  }
  for (const Told& told : asked) told(verdict);
}

// On a thread of its own: one that has given way to the sale would need a right to be as before.
Result<Verdict> AuditModule::AuditInBackground() {
  auto audit = std::async(std::launch::async, [this] {
    setpriority(PRIO_PROCESS, 0, 10);  // of this thread only; best effort
    return Audit();
  });
  return audit.get();
}

Result<Verdict> AuditModule::Audit() {
  page_began_ = SteadyClock::now();
  auto verdict = auditor_->Run();
  if (!verdict) {
    failures_.Add();
    return verdict;
  }
  // Of one that could not read everything the alarm is as true; but it clears none of what it may not have
  // judged, and is no sign of life of the auditor.
  const bool whole = verdict->unread.empty();
  violations_.Set(static_cast<double>(verdict->checked["violations"]));
  for (const Invariant invariant : kInvariants) {
    const auto count = std::ranges::count(verdict->violations, invariant, &Violation::invariant);
    if (whole || count > 0) ViolationsOf(invariant).Set(static_cast<double>(count));
  }
  if (whole) {
    runs_.Add();
    last_run_.Set(static_cast<double>(ToUnixMs(verdict->at)) / 1000);
    duration_.Set(static_cast<double>(verdict->took.count()) / 1000);
  } else {
    failures_.Add();
  }
  for (const std::string& what : verdict->unread)
    obs::Log(obs::Level::kWarning, "audit_failed", {{"reason", "unread"}, {"detail", what}});
  for (const Violation& violation : verdict->violations) {
    obs::Log(obs::Level::kError, "audit_violation",
             {{"invariant", InvariantName(violation.invariant)},
              {"ids", violation.ids.empty() ? std::string() : violation.ids.front()},
              {"detail", violation.detail}});
  }
  return verdict;
}

std::optional<Verdict> AuditModule::Last() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

void AuditModule::RunNow(Told told) {
  {
    const std::scoped_lock lock(mutex_);
    if (!stopping_) {
      asked_.push_back(std::exchange(told, nullptr));
      ++hurried_;
    }
  }
  changed_.notify_all();
  if (told) told(NotRunning());
}

Result<Verdict> AuditModule::RunNow() {
  std::promise<Result<Verdict>> told;
  RunNow([&told](const Result<Verdict>& verdict) { told.set_value(verdict); });
  return told.get_future().get();
}

int AuditModule::waiting() const {
  const std::scoped_lock lock(mutex_);
  return hurried_;
}

std::string AuditModule::LastJson() const {
  const auto last = Last();
  return last ? ToJson(*last) : std::string();
}

}  // namespace boxoffice::audit
