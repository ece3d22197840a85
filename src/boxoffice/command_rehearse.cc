#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/random.h"
#include "boxoffice/commands.h"
#include "boxoffice/rest_command.h"
#include "platform/auth/base64url.h"
#include "platform/auth/claims.h"
#include "platform/auth/token.h"
#include "platform/module/process.h"
#include "rehearsal/http_load.h"
#include "rehearsal/interrupt.h"
#include "rehearsal/report.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;
using rehearsal::OnSaleOptions;

constexpr std::chrono::seconds kPlainLines{5};  // between lines of progress that is not on a terminal
constexpr size_t kMaxBuyers = 2'000'000;
constexpr int kSeatsPerRow = 50;
constexpr std::string_view kBuyerToken = "rehearsal";

struct RehearseOptions {
  std::vector<std::string> urls;  // as given; none: GatewayUrl's
  ApiOptions api;
  bool json = false;
  bool yes = false;
  std::string show;         // empty: one is made
  int seats = 5'000;        // of that one
  double rate_per_s = 100;  // and its queue
  int64_t active_cap = 500;
  std::filesystem::path tokens;
  double burst_s = 10;
  double decay_s = 30;
  double think_s = 5;
  int64_t slow_ms = 1'000;
  int64_t limit_s = 600;
  int64_t seed = 1;
  OnSaleOptions on_sale;
};

std::chrono::milliseconds Millis(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1'000));
}

bool IsThisMachine(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// A sale on this machine whose tokens anybody can make is nobody's production.
void ConfirmTarget(const RehearseOptions& options) {
  const bool here = std::ranges::all_of(options.on_sale.gateways, [](const rehearsal::Endpoint& gateway) {
    return IsThisMachine(gateway.host);
  });
  if (here && options.tokens.empty() && options.api.token.empty()) return;
  Confirm(options.yes,
          fmt::format("Having {} buyers buy real seats {} at {}", options.on_sale.arrivals.buyers,
                      options.show.empty() ? "of a show that is made for it"
                                           : fmt::format("of show {}", options.show),
                      options.urls.front()));
}

std::vector<std::string> ReadTokens(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> tokens;
  size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    if (std::ranges::count(line, '.') != 2)
      ExitCant({Code::kInvalidArgument, "tokens",
                fmt::format("{}: line {} is no token (a JWT)", path.string(), number)});
    tokens.push_back(line);
  }
  if (tokens.empty())
    ExitCant({Code::kInvalidArgument, "tokens", fmt::format("{}: no tokens", path.string())});
  return tokens;
}

std::vector<std::string> MakeTokens(const RehearseOptions& options) {
  const auto issuer = DevelopmentIssuer(options.api.data, "--tokens FILE or --data");
  if (!issuer) ExitCant(issuer.error());
  std::vector<std::string> tokens;
  for (size_t i = 0; i < options.on_sale.arrivals.buyers; ++i) {
    auto token = issuer->Issue(fmt::format("{}-{}-{}", kBuyerToken, options.on_sale.run, i),
                               auth::Role::kBuyer, std::chrono::seconds(options.limit_s + 3'600));
    if (!token) ExitCant(token.error());
    tokens.push_back(*std::move(token));
  }
  return tokens;
}

// The id of a fresh show of its own.
std::string MakeShow(const RestOptions& rest, const RehearseOptions& options) {
  const json::value concert = Ask(rest, "POST", "/v1/admin/concerts",
                                  R"({"title":"Rehearsal","artist":"Boxoffice","venue":"Rehearsal"})");
  // Whole rows, and one that has the rest.
  json::array grid;
  const auto add = [&grid](const char* name, int rows, int seats_per_row) {
    if (rows > 0 && seats_per_row > 0)
      grid.push_back(
          json::object{{"name", name}, {"rows", rows}, {"seats_per_row", seats_per_row}, {"category", "A"}});
  };
  add("A", options.seats / kSeatsPerRow, kSeatsPerRow);
  add("B", 1, options.seats % kSeatsPerRow);
  const json::object body{{"concert_id", TextOf(concert, "id")},
                          {"starts_at", ToRfc3339(SystemClock().Now() + std::chrono::days(30))},
                          {"currency", "KRW"},
                          {"grid", std::move(grid)},
                          {"prices", json::object{{"A", 10'000}}}};
  const std::string show = TextOf(Ask(rest, "POST", "/v1/admin/shows", json::serialize(body)), "id");
  const json::object queue{{"rate_per_s", options.rate_per_s}, {"active_cap", options.active_cap}};
  (void)Ask(rest, "PATCH", fmt::format("/v1/admin/shows/{}/queue", show), json::serialize(queue));
  return show;
}

// Not operators may rehearse too, but they neither watch the queue nor audit. Where buyers bring their
// tokens, the data folder that nobody named may be that of another system, which makes no operator of theirs.
std::optional<RestOptions> OperatorOf(const RehearseOptions& options) {
  std::error_code ignored;
  const bool development = std::filesystem::exists(options.api.data / "keys" / "jwt.key", ignored) &&
                           (options.tokens.empty() || options.api.data_named);
  if (options.api.token.empty() && !development) return std::nullopt;
  RestOptions rest;
  rest.api = options.api;
  rest.api.url = options.urls.front();
  return rest;
}

std::string OperatorToken(const RestOptions& rest, const RehearseOptions& options) {
  if (!rest.api.token.empty()) return rest.api.token;
  const auto issuer = DevelopmentIssuer(rest.api.data, "--token or --data");
  if (!issuer) ExitCant(issuer.error());
  const auto token = issuer->Issue("boxoffice-cli", auth::Role::kOperator,
                                   std::chrono::seconds(options.limit_s) + kAuditLimit);
  if (!token) ExitCant(token.error());
  return *token;
}

// Unlike an ApiClient's call it ends by Ctrl-C, too.
Result<rehearsal::HttpLoad::Reply> AskForAudit(const rehearsal::Report& report) {
  const std::string_view host = std::string_view(report.target).substr(report.target.find("//") + 2);
  std::string request;
  rehearsal::AppendRequest(request, "POST", "/v1/admin/audit", report.options.operator_jwt,
                           fmt::format("Idempotency-Key: {}\r\n", NewIdempotencyKey()), "", host);
  BOXOFFICE_ASSIGN(const auto load, rehearsal::HttpLoad::Connect({report.options.gateways.front()}, 1));
  return load->Call(request, kAuditLimit);
}

// It may take minutes, for which nobody has to wait who wants no more than the report.
void Audit(rehearsal::Report& report) {
  rehearsal::CatchInterrupts();  // one that ended the play does not end this
  fmt::print(stderr, "auditing; Ctrl-C leaves it out\n");
  const auto reply = AskForAudit(report);
  if (!reply || reply->status != 200) {
    report.audit_failure = rehearsal::Interrupted() ? "interrupted"
                           : reply                  ? DescribeProblem({reply->status, {}, reply->body})
                                                    : reply.error().detail;
    return;
  }
  boost::system::error_code error;
  const json::value audit = json::parse(reply->body, error);
  report.audited = !error;
  report.audit_clean = !error && TextOf(audit, "ok") == "true";
  report.audit_json = reply->body;
}

// Where a person looks on, one line that changes; else a line now and then.
class ProgressLines {
 public:
  explicit ProgressLines(size_t buyers) : buyers_(buyers), terminal_(::isatty(STDERR_FILENO) != 0) {}
  void Tell(const rehearsal::Second& second) {
    if (terminal_) {
      fmt::print(stderr, "\r\x1b[K{}", RenderProgress(second, buyers_));
      std::fflush(stderr);
      return;
    }
    if (second.at_s < next_s_) return;
    next_s_ += static_cast<double>(kPlainLines.count());
    fmt::print(stderr, "{}\n", RenderProgress(second, buyers_));
  }
  void End() const {
    if (terminal_) fmt::print(stderr, "\n");
  }

 private:
  const size_t buyers_;
  const bool terminal_;
  double next_s_ = 0;
};

// Of every gateway, before anything is made, which would stay when one of them is not there. Any other answer
// is that of something in front of it which does not pass the question on.
void RequireReady(const std::vector<std::string>& urls) {
  constexpr int kNotReady = 503;
  for (const std::string& url : urls) {
    http::ClientRequest request;
    request.url = url + "/readyz";
    const auto answer = http::FetchBlocking(std::move(request));
    if (!answer)
      ExitCant(
          {answer.error().code, answer.error().reason, fmt::format("{}: {}", url, answer.error().detail)});
    if (answer->status == kNotReady)
      ExitCant({Code::kUnavailable, "not_ready", fmt::format("{} is not ready: {}", url, answer->body)});
  }
}

// Fills in what follows from the flags, and what the show says.
void Complete(RehearseOptions& options, const std::optional<RestOptions>& rest) {
  OnSaleOptions& on_sale = options.on_sale;
  on_sale.arrivals.burst = Millis(options.burst_s);
  on_sale.arrivals.decay = Millis(options.decay_s);
  on_sale.behaviour.think = Millis(options.think_s);
  on_sale.slow_after = std::chrono::milliseconds(options.slow_ms);
  on_sale.limit = std::chrono::seconds(options.limit_s);
  on_sale.seed = static_cast<uint64_t>(options.seed);
  if (on_sale.arrivals.burst.count() + on_sale.arrivals.decay.count() == 0)
    on_sale.arrivals.burst = std::chrono::milliseconds(1);
  if (options.show.empty() && !rest)
    ExitCant({Code::kInvalidArgument, "no_token",
              "without --show a show is made, which takes an operator: --token or --data"});
  RequireReady(options.urls);
  if (options.show.empty()) options.show = MakeShow(*rest, options);
  on_sale.show = options.show;
  if (rest) on_sale.operator_jwt = OperatorToken(*rest, options);
  http::ClientRequest request;
  request.url = fmt::format("{}/v1/shows/{}", options.urls.front(), options.show);
  const auto show = http::FetchBlocking(std::move(request));
  if (!show) ExitCant(show.error());
  if (show->status != 200) ExitCant({Code::kNotFound, "show_unknown", DescribeProblem(*show)});
  boost::system::error_code error;
  const json::value value = json::parse(show->body, error);
  const json::value* limit =
      error || !value.is_object() ? nullptr : value.as_object().if_contains("seat_limit");
  if (limit == nullptr || !limit->is_int64())
    ExitCant({Code::kUnknown, "answer_malformed", "the answer is no show: is this a Boxoffice?"});
  on_sale.seat_limit = static_cast<int>(std::min<int64_t>(limit->as_int64(), 8));
}

// Whom a token is of, which the system checks; "": nobody that there can be.
std::string UserOf(std::string_view jwt) {
  const size_t begin = jwt.find('.') + 1;
  const auto text = auth::DecodeBase64Url(jwt.substr(begin, jwt.rfind('.') - begin));
  const std::optional<auth::Claims> claims = text ? auth::ReadClaims(*text) : std::nullopt;
  return claims && auth::IsUserName(claims->user.text) ? claims->user.text : "";
}

// A gateway that doesn't say lets them.
bool LetsBuyersTopUp(const std::string& url) {
  http::ClientRequest request;
  request.url = url + "/v1/session";
  const auto session = http::FetchBlocking(std::move(request));
  if (!session) ExitCant(session.error());
  boost::system::error_code error;
  const json::value value = json::parse(session->body, error);
  return error || TextOf(value, "self_service") != "false";
}

// Where buyers don't top up by themselves, the operator credits them, if there is one.
void ChooseWhoCredits(RehearseOptions& options, const std::vector<std::string>& tokens) {
  OnSaleOptions& on_sale = options.on_sale;
  if (!on_sale.behaviour.top_up || LetsBuyersTopUp(options.urls.front())) return;
  if (on_sale.operator_jwt.empty()) {
    on_sale.behaviour.top_up = false;
    fmt::print(stderr,
               "buyers don't top up by themselves there, and an operator's token is missing: they pay with "
               "what they have\n");
    return;
  }
  for (const std::string& token : tokens) {
    on_sale.credited.push_back(UserOf(token));
    if (on_sale.credited.back().empty())
      ExitCant({Code::kInvalidArgument, "tokens", "a token names no user: nobody to be credited"});
  }
}

// Before anything is made, which would stay when there are no files for the connections.
void AllowConnections(size_t connections) {
  constexpr size_t kOtherFiles = 64;
  module::RaiseFileLimit();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= connections + kOtherFiles) return;
  ExitCant({Code::kInvalidArgument, "file_limit_low",
            fmt::format("{} files may be open, and --connections {} takes {}: raise `ulimit -Hn`",
                        files.rlim_cur, connections, connections + kOtherFiles)});
}

// The exit code.
int Rehearse(RehearseOptions options) {
  AllowConnections(options.on_sale.connections);
  if (options.urls.empty()) {
    const auto url = GatewayUrl(options.api);
    if (!url) ExitCant(url.error());
    options.urls.push_back(*url);
  }
  for (std::string& url : options.urls) {
    while (url.ends_with('/')) url.pop_back();
    const auto endpoint = rehearsal::ParseEndpoint(url);
    if (!endpoint) ExitCant(endpoint.error());
    options.on_sale.gateways.push_back(*endpoint);
  }
  SeededRandom random(SystemSeed());
  options.on_sale.run = fmt::format("{:08x}", random.Next() & 0xffffffff);
  std::vector<std::string> tokens;
  if (!options.tokens.empty()) {
    tokens = ReadTokens(options.tokens);
    tokens.resize(std::min(tokens.size(), options.on_sale.arrivals.buyers));
    options.on_sale.arrivals.buyers = tokens.size();
  }
  ConfirmTarget(options);
  if (options.tokens.empty()) tokens = MakeTokens(options);
  const auto rest = OperatorOf(options);
  Complete(options, rest);
  ChooseWhoCredits(options, tokens);

  rehearsal::CatchInterrupts();
  ProgressLines lines(options.on_sale.arrivals.buyers);
  auto figures = rehearsal::PlayOnSale(options.on_sale, std::move(tokens),
                                       [&lines](const rehearsal::Second& second) { lines.Tell(second); });
  lines.End();
  if (!figures) ExitCant(figures.error());
  rehearsal::Report report{options.urls.front(),
                           options.show,
                           options.on_sale,
                           *std::move(figures),
                           false,
                           false,
                           "",
                           "that takes an operator's token"};
  if (rest) Audit(report);
  fmt::print("{}", options.json ? RenderJson(report) + "\n" : RenderTable(report));
  const bool well =
      report.figures.confirmed > 0 && !report.figures.cancelled_s && (!report.audited || report.audit_clean);
  return well ? kExitOk : kExitNo;
}

void AddPlayFlags(CLI::App& command, RehearseOptions& options) {
  OnSaleOptions& on_sale = options.on_sale;
  command.add_option("--buyers", on_sale.arrivals.buyers, "How many come")
      ->check(CLI::Range(size_t{1}, kMaxBuyers))
      ->capture_default_str();
  command.add_option("--burst", options.burst_s, "Seconds in which they come at the highest rate")
      ->check(CLI::Range(0.0, 3'600.0))
      ->check(Finite())
      ->capture_default_str();
  command
      .add_option("--decay", options.decay_s,
                  "Seconds in which the rate then falls to 1/e; 0: nobody comes later")
      ->check(CLI::Range(0.0, 3'600.0))
      ->check(Finite())
      ->capture_default_str();
  command
      .add_option("--think", options.think_s,
                  "Seconds that a buyer hesitates, on average, before each decision")
      ->check(CLI::Range(0.0, 600.0))
      ->check(Finite())
      ->capture_default_str();
  command.add_option("--party", on_sale.behaviour.party, "1 to so many seats each")
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
  const auto share = [&command](const char* name, double& value, const char* what) {
    command.add_option(name, value, what)
        ->check(CLI::Range(0.0, 1.0))
        ->check(Finite())
        ->capture_default_str();
  };
  share("--by-map", on_sale.behaviour.by_map,
        "The part that chooses on the seat map; the others take the best available");
  share("--leave-waiting", on_sale.behaviour.leave_waiting, "The part that loses patience in the queue");
  share("--leave-holding", on_sale.behaviour.leave_holding, "The part that holds seats and does not pay");
  share("--cancel", on_sale.behaviour.cancel, "The part of the buyers that gives the seats back");
  command.add_flag("!--no-top-up", on_sale.behaviour.top_up,
                   "The buyers have money: don't put more into their wallets");
  command.add_option("--limit", options.limit_s, "Seconds after which nothing more is asked")
      ->check(CLI::Range(int64_t{1}, int64_t{24} * 3'600))
      ->capture_default_str();
  command
      .add_option("--slow", options.slow_ms, "Milliseconds after which a hold or a payment counts as slow")
      ->check(CLI::Range(int64_t{1}, int64_t{60'000}))
      ->capture_default_str();
  command.add_option("--connections", on_sale.connections, "Connections, all gateways together")
      ->check(CLI::Range(size_t{1}, size_t{50'000}))
      ->capture_default_str();
  command.add_option("--seed", options.seed, "The same seed plays the same buyers")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()))
      ->capture_default_str();
}

}  // namespace

void AddRehearseCommand(CLI::App& app) {
  const auto options = std::make_shared<RehearseOptions>();
  CLI::App* command = app.add_subcommand(
      "rehearse",
      "Play an on-sale against a running system: real requests, real seats, and the audit at the end");
  command->add_option("--url", options->urls,
                      fmt::format("A gateway, as http://HOST:PORT; may be repeated. Else where an "
                                  "`up --scaled` that runs on --data serves, else {}",
                                  kDefaultUrl));
  command->add_option("--show", options->show,
                      "The show whose seats are bought; left out: one is made for it");
  command->add_option("--seats", options->seats, "Seats of the show that is made")
      ->check(CLI::Range(1, 50'000))
      ->capture_default_str();
  command->add_option("--rate", options->rate_per_s, "And whom its queue admits a second")
      ->check(CLI::Range(0.1, 100'000.0))
      ->check(Finite())
      ->capture_default_str();
  command->add_option("--cap", options->active_cap, "And at once")
      ->check(CLI::Range(int64_t{1}, int64_t{1'000'000}))
      ->capture_default_str();
  command->add_option("--token", options->api.token,
                      "An operator's token: to watch, to audit, and to credit wallets");
  command->add_option("--tokens", options->tokens, "A file with a buyer's token (JWT) on each line")
      ->check(CLI::ExistingFile);
  AddDataFlag(*command, options->api,
              "The data folder of a development system: all tokens that are not given are made with its key, "
              "but with --tokens an operator's only if the folder is given too");
  command->add_flag("--json", options->json, "Print the report as JSON");
  command->add_flag("--yes", options->yes, "Don't ask whether real seats may be bought");
  AddPlayFlags(*command, *options);
  command->footer(
      "A system elsewhere, or with tokens that are not made here, asks for confirmation, or --yes. Progress "
      "is on "
      "stderr.\nExit codes: 0 seats were sold and the audit, if it was done, is clean; 1 not so, or the show "
      "was "
      "cancelled meanwhile; 2 it could "
      "not be "
      "rehearsed.");
  command->callback([options] { Exit(Rehearse(*options)); });
}

}  // namespace boxoffice::cli
