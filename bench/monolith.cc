#include "bench/monolith.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "bench/monolith_sql.h"
#include "platform/servers/child.h"
#include "platform/servers/private_postgres.h"

namespace boxoffice::bench {
namespace {

using servers::Child;
using servers::PrivatePostgres;
using std::chrono::milliseconds;

constexpr std::chrono::minutes kPatience{5};
constexpr const char* kDatabase = "monolith";
constexpr int kThreads = 2;  // of pgbench

std::unexpected<Error> Failed(std::string detail) {
  return Fail(Code::kUnavailable, "monolith_failed", std::move(detail));
}

// Of what it said on stderr.
std::string LastLine(const std::filesystem::path& log) {
  std::ifstream in(log);
  std::string last;
  for (std::string line; std::getline(in, line);) last = line;
  return last;
}

// What it prints on stdout, if it ends well.
Result<std::string> Output(const std::vector<std::string>& command, const std::filesystem::path& log,
                           milliseconds patience) {
  Child::Options options;
  options.log = log;
  options.read_stdout = true;
  BOXOFFICE_ASSIGN(Child child, Child::Start(command, options));
  std::string text;
  const auto end = std::chrono::steady_clock::now() + patience;
  while (const auto line = child.ReadLine(
             std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now()))) {
    text += *line + "\n";
  }
  const auto code = child.Wait(milliseconds(5'000));
  if (code != 0) return Failed(fmt::format("{}: {}", command.front(), LastLine(log)));
  return text;
}

// The number after `label`.
std::optional<double> NumberAfter(std::string_view text, std::string_view label) {
  const size_t found = text.find(label);
  if (found == std::string_view::npos) return std::nullopt;
  const char* first = text.data() + found + label.size();
  double number = 0;
  const auto [rest, error] = std::from_chars(first, text.data() + text.size(), number);
  return error == std::errc() && rest != first ? std::optional(number) : std::nullopt;
}

}  // namespace

struct Monolith::State {
  std::filesystem::path folder;
  std::optional<PrivatePostgres> server;
  uint64_t purchases = 0;
  uint64_t next = 0;

  ~State() {
    if (server) server->Stop(milliseconds(10'000));
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }
  [[nodiscard]] std::filesystem::path log() const { return folder / "client.log"; }
};

double MonolithRun::PerSecond() const {
  return static_cast<double>(confirmed) / std::max(1e-9, elapsed.count());
}

Monolith::Monolith(std::unique_ptr<State> state) : state_(std::move(state)) {}
Monolith::Monolith(Monolith&&) noexcept = default;
Monolith& Monolith::operator=(Monolith&&) noexcept = default;
Monolith::~Monolith() = default;

Result<Monolith> Monolith::Start(const std::filesystem::path& data_root, uint64_t purchases) {
  std::error_code error;
  if (!std::filesystem::exists(PrivatePostgres::Program("pgbench"), error))
    return Fail(Code::kUnavailable, "pgbench_missing",
                "pgbench is not installed: it is in Debian's postgresql-15");
  std::string folder = (data_root / "boxoffice-monolith-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return Failed(fmt::format("can't make {}", folder));
  auto state = std::make_unique<State>();
  state->folder = folder;
  state->purchases = purchases;
  std::filesystem::permissions(folder, std::filesystem::perms(0755),
                               error);  // the server may be another user's
  BOXOFFICE_ASSIGN(state->server, PrivatePostgres::Start(state->folder / "postgres"));
  BOXOFFICE_TRY(state->server->CreateDatabase(kDatabase));
  std::string schema(kMonolithSchema);
  for (size_t at = 0; (at = schema.find("$PURCHASES", at)) != std::string::npos;)
    schema.replace(at, std::string_view("$PURCHASES").size(), fmt::to_string(purchases));
  std::ofstream(state->folder / "schema.sql") << schema;
  const std::string choice(kMonolithChoice);
  std::ofstream(state->folder / "statements.sql") << choice << kMonolithStatements;
  std::ofstream(state->folder / "call.sql") << choice << kMonolithCall;
  BOXOFFICE_TRY(Output({PrivatePostgres::Program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                        state->server->Url(kDatabase), "-f", state->folder / "schema.sql"},
                       state->log(), kPatience));
  return Monolith(std::move(state));
}

Result<std::string> Monolith::Ask(const std::string& sql) const {
  BOXOFFICE_ASSIGN(std::string text,
                   Output({PrivatePostgres::Program("psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d",
                           state_->server->Url(kDatabase), "-c", sql},
                          state_->log(), kPatience));
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<MonolithRun> Monolith::Run(MonolithForm form, int clients, std::chrono::seconds seconds) {
  const auto counted = [&]() -> Result<uint64_t> {
    BOXOFFICE_ASSIGN(const std::string text, Ask("SELECT count(*) FROM reservation"));
    uint64_t count = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc()) return Failed("a count is: " + text);
    return count;
  };
  BOXOFFICE_ASSIGN(const uint64_t before, counted());
  const bool statements = form == MonolithForm::kStatements;
  const auto start = std::chrono::steady_clock::now();
  BOXOFFICE_ASSIGN(
      const std::string report,
      Output(
          {PrivatePostgres::Program("pgbench"), "-n", "-M", "prepared", "-c", fmt::to_string(clients), "-j",
           fmt::to_string(std::min(clients, kThreads)), "-T", fmt::to_string(seconds.count()), "-D",
           fmt::format("first={}", state_->next), "-D", fmt::format("clients={}", clients), "-D", "i=0", "-f",
           state_->folder / (statements ? "statements.sql" : "call.sql"), state_->server->Url(kDatabase)},
          state_->log(), seconds + kPatience));
  MonolithRun run;
  run.clients = clients;
  run.elapsed = std::chrono::steady_clock::now() - start;
  const auto transactions = NumberAfter(report, "number of transactions actually processed: ");
  const auto per_second = NumberAfter(report, "tps = ");
  if (!transactions || !per_second || *per_second <= 0)
    return Failed("pgbench says something else: " + report);
  // Its own clock, which begins when all clients are connected.
  run.elapsed = std::chrono::duration<double>(*transactions / *per_second);
  run.latency_ms = NumberAfter(report, "latency average = ").value_or(0);
  BOXOFFICE_ASSIGN(const uint64_t after, counted());
  run.confirmed = after - before;
  run.refused = static_cast<uint64_t>(*transactions) - run.confirmed;
  // Each client has its own share of the numbers, and some are ahead of others.
  state_->next += 2 * static_cast<uint64_t>(*transactions) + 1'000;
  if (state_->next > state_->purchases) return Failed("all seats are sold: ask for more purchases");
  return run;
}

Result<std::string> Monolith::Audit() { return Ask(std::string(kMonolithAudit)); }

}  // namespace boxoffice::bench
