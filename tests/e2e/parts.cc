#include "e2e/parts.h"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <ranges>
#include <sstream>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "testing/metrics_text.h"

namespace boxoffice::e2e {
namespace {

constexpr const char* kPaymentTimeout = "BOXOFFICE_STEP_PAYMENT_TIMEOUT_MS";

// "PID (name) STATE PARENT …", from the state on; "": there is no such process.
std::string StatOf(pid_t pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  const std::string stat(std::istreambuf_iterator<char>(in), {});
  const size_t name_end = stat.rfind(") ");
  return name_end == std::string::npos ? "" : stat.substr(name_end + 2);
}

std::vector<pid_t> ChildrenOf(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    std::istringstream stat(StatOf(pid));
    char state = 0;
    pid_t its_parent = 0;
    if (stat >> state >> its_parent && its_parent == parent) children.push_back(pid);
  }
  return children;
}

std::string TextOf(const json::value& process, std::string_view member) {
  const json::value* found = process.as_object().if_contains(member);
  return found != nullptr ? std::string(found->as_string()) : std::string();
}

}  // namespace

json::value Ps(const System& system) {
  const Finished ps = RunCommand({BinDir() / "boxoffice", "ps", "--data", system.data_dir()}, seconds(60));
  EXPECT_EQ(ps.exit_code, 0) << ps.err;
  return ps.exit_code == 0 ? json::parse(ps.out) : json::value();
}

std::vector<Part> PartsOf(const System& system, std::string_view name) {
  std::vector<Part> parts;
  const json::value ps = Ps(system);
  if (!ps.is_object()) return parts;
  for (const auto& [list, named_by] : {std::pair("servers", "name"), std::pair("processes", "service")}) {
    for (const json::value& process : ps.at(list).as_array()) {
      if (TextOf(process, named_by) != name) continue;
      parts.push_back({std::string(name), process.at("pid").to_number<pid_t>(),
                       process.at("running").as_bool(), TextOf(process, "listen"), TextOf(process, "admin"),
                       TextOf(process, "log")});
    }
  }
  return parts;
}

bool IsGone(pid_t pid) {
  const std::string stat = StatOf(pid);
  return stat.empty() || stat.starts_with('Z');
}

// One that is stopped starts nothing more: so its children are looked for after that.
Frozen::Frozen(const std::vector<Part>& parts) {
  for (const Part& part : parts) pids_.push_back(part.pid);
  for (size_t i = 0; i < pids_.size(); ++i) {
    kill(pids_[i], SIGSTOP);
    std::ranges::copy(ChildrenOf(pids_[i]), std::back_inserter(pids_));
  }
}

Frozen::~Frozen() {
  for (const pid_t pid : pids_) kill(pid, SIGCONT);
}

PatientPayments::PatientPayments() { setenv(kPaymentTimeout, "60000", /*overwrite=*/1); }
PatientPayments::~PatientPayments() { unsetenv(kPaymentTimeout); }

void Kill9(const std::vector<Part>& parts) {
  for (const Part& part : parts) kill(part.pid, SIGKILL);
}

bool AwaitRestart(const System& system, const std::vector<Part>& before, milliseconds timeout) {
  const auto is_new = [&](const Part& part) {
    if (!part.running || std::ranges::find(before, part.pid, &Part::pid) != before.end()) return false;
    return part.admin.empty() || Api(PortOf(part.admin)).Call("GET", "/readyz").status == 200;
  };
  return Eventually(
      [&] {
        const std::vector<Part> now = PartsOf(system, before.front().name);
        return now.size() >= before.size() && std::ranges::all_of(now, is_new);
      },
      timeout);
}

double SumOf(const System& system, std::string_view service, std::string_view metric) {
  double sum = 0;
  for (const Part& part : PartsOf(system, service)) {
    const Reply metrics = Api(PortOf(part.admin)).Call("GET", "/metrics");
    if (metrics.status != 200) return -1;
    const double of_part = testbed::SumOf(metrics.text, metric);
    if (of_part < 0) return -1;
    sum += of_part;
  }
  return sum;
}

}  // namespace boxoffice::e2e
