#include "boxoffice/rest_command.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <utility>

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "boxoffice/commands.h"
#include "boxoffice/signals.h"

namespace boxoffice::cli {
namespace {

namespace json = boost::json;

// In columns: a character of several bytes takes one, or two where it is wide, as fmt counts when it pads. No
// text has more columns than bytes.
size_t Width(std::string_view text) {
  return 2 * text.size() - fmt::formatted_size("{:<{}}", text, text.size());
}

// Those that only look, which can be told to look again. What changes something has none of these names.
constexpr std::array<std::string_view, 18> kLooks = {
    "list",   "map",    "get",      "show", "status",    "mine",   "entries",  "deliveries",   "delivery",
    "blocks", "prices", "channels", "draw", "statement", "outbox", "breakers", "cancellation", "unsettled"};

// On a terminal each answer takes the place of the one before; otherwise an empty line stands between them,
// and with --json none.
void Watch(const RestOptions& options, double seconds, const std::function<void(const RestOptions&)>& run) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  EndAtInterrupt();
  while (true) {
    if (terminal) fmt::print("\x1b[H\x1b[2J");  // to the top of an empty screen
    run(options);
    if (!terminal && !options.json) fmt::print("\n");
    if (std::fflush(stdout) != 0) return;  // nobody reads any more
    Pause(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1'000)));
  }
}

// Said of a request that may have been done: a repeat with another key would do it twice.
std::string HowToRepeat(const std::string& key) {
  return fmt::format("; it is not known whether it was done: repeat it with --key {}", key);
}

// Filled before the handler is there, and left alone while it is.
std::string& ToldAtSignal() {
  static std::string line;
  return line;
}

void TellAndEnd(int signal) {
  const std::string& line = ToldAtSignal();
  (void)!::write(STDERR_FILENO, line.data(), line.size());
  std::_Exit(128 + signal);
}

// While it lives, SIGINT, SIGTERM and SIGHUP end the process with 128 and their number, and it says how to
// repeat the request that is under way. One at a time.
class KeyAtSignal {
 public:
  explicit KeyAtSignal(const std::string& key) {
    ToldAtSignal() = fmt::format("boxoffice: interrupted{}\n", HowToRepeat(key));
    for (size_t i = 0; i < before_.size(); ++i)
      before_[i] = HandleUnlessIgnored(kEndingSignals[i], TellAndEnd);
  }
  KeyAtSignal(const KeyAtSignal&) = delete;
  ~KeyAtSignal() {
    for (size_t i = 0; i < before_.size(); ++i) std::signal(kEndingSignals[i], before_[i]);
  }

 private:
  std::array<SignalHandler, std::size(kEndingSignals)> before_{};
};

// A POST of a command that takes --key has one, whether it was given or not.
std::optional<std::string> KeyFor(const RestOptions& options, std::string_view method,
                                  std::optional<std::string> given) {
  if (options.has_key && method == "POST" && !given) return NewIdempotencyKey();
  return given;
}

}  // namespace

CLI::App* AddRestCommand(CLI::App& group, const std::string& name, const std::string& description,
                         std::function<void(const RestOptions&)> run) {
  const auto options = std::make_shared<RestOptions>();
  CLI::App* command = group.add_subcommand(name, description);
  AddApiFlags(*command, options->api);
  command->add_flag("--json", options->json, "Print the answer as JSON");
  command->footer(
      "Exit codes: 0 done; 1 refused, with the code on stderr; 2 called the wrong way, not an operator, the "
      "system\ncan't be reached, or it is not known whether it was done.");
  const auto watch_s = std::make_shared<double>(0);
  if (std::ranges::find(kLooks, name) != kLooks.end()) {
    command->add_option("--watch", *watch_s, "Look again every so many seconds, until Ctrl-C")
        ->check(CLI::Range(0.1, 3'600.0))
        ->check(Finite());
  }
  command->callback([command, options, watch_s, run = std::move(run)] {
    options->has_key = command->get_option_no_throw("--key") != nullptr;
    try {
      if (*watch_s > 0) return Watch(*options, *watch_s, run);
      run(*options);
    } catch (const CLI::Error&) {
      throw;                                 // how commands end
    } catch (const std::exception& error) {  // of Boost.JSON: a member is missing, or of another kind
      ExitCant(
          {Code::kUnknown, "answer_malformed",
           fmt::format("the answer is not what the contract says: is this a Boxoffice of this version? ({})",
                       error.what())});
    }
  });
  return command;
}

bool IsDone(const http::ClientResponse& response) { return response.status >= 200 && response.status <= 299; }

bool IsOutside(const http::ClientResponse& response) {
  return response.status == 401 || response.status == 403 || response.status >= 500;
}

void Refused(const RestOptions& options, const http::ClientResponse& response,
             const std::optional<std::string>& key) {
  // A proxy's page is no JSON.
  boost::system::error_code error;
  const json::value problem = json::parse(response.body, error);
  if (options.json && !error && problem.is_object()) fmt::print("{}\n", response.body);
  const bool unknown =
      key && (response.status >= 500 || TextOf(problem, "code") == "idempotency_key_running");
  fmt::print(stderr, "boxoffice: {}{}\n", DescribeProblem(response), unknown ? HowToRepeat(*key) : "");
  throw CLI::RuntimeError(unknown || IsOutside(response) ? kExitCant : kExitNo);
}

http::ClientResponse Send(const RestOptions& options, std::string_view method, std::string_view path,
                          std::string body, std::optional<std::string> key, std::string_view content_type) {
  const auto client = ApiClient::Make(options.api);
  if (!client) ExitCant(client.error());
  std::optional<KeyAtSignal> at_signal;
  if (key) at_signal.emplace(*key);
  auto response = client->Send(method, path, std::move(body), key, options.limit, content_type);
  if (!response) {
    Error error = response.error();
    if (key && error.code == Code::kUnknown) error.detail += HowToRepeat(*key);
    ExitCant(error);
  }
  return *std::move(response);
}

http::ClientResponse Fetch(const RestOptions& options, std::string_view method, std::string_view path,
                           std::string body, std::optional<std::string> key, std::string_view content_type) {
  key = KeyFor(options, method, std::move(key));
  http::ClientResponse response = Send(options, method, path, std::move(body), key, content_type);
  if (!IsDone(response)) Refused(options, response, key);
  return response;
}

void Confirm(bool yes, std::string_view what) {
  if (yes) return;
  const auto not_confirmed = [](std::string detail) {
    ExitCant({Code::kInvalidArgument, "not_confirmed", std::move(detail)});
  };
  if (::isatty(STDIN_FILENO) == 0) not_confirmed(fmt::format("{} can't be undone: give --yes", what));
  fmt::print(stderr, "{} can't be undone. Type yes to go on: ", what);
  std::array<char, 16> line{};
  if (std::fgets(line.data(), line.size(), stdin) == nullptr || std::string_view(line.data()) != "yes\n") {
    not_confirmed("nothing was done");
  }
}

json::value Ask(const RestOptions& options, std::string_view method, std::string_view path, std::string body,
                std::optional<std::string> key) {
  key = KeyFor(options, method, std::move(key));
  const http::ClientResponse response = Fetch(options, method, path, std::move(body), key);
  if (response.body.empty()) return nullptr;
  boost::system::error_code error;
  json::value answer = json::parse(response.body, error);
  if (error) {
    ExitCant({Code::kUnknown, "answer_malformed",
              "the answer is not JSON" + (key ? HowToRepeat(*key) : ": is this a Boxoffice?")});
  }
  return answer;
}

json::object AskAll(const RestOptions& options, const std::string& path) {
  json::array items;
  const std::string first = path + (path.contains('?') ? "&" : "?") + "limit=200";
  std::string next = first;
  while (true) {
    const json::value page = Ask(options, "GET", next);
    const json::object* list = page.if_object();
    const json::value* page_items = list != nullptr ? list->if_contains("items") : nullptr;
    if (page_items == nullptr || !page_items->is_array()) {
      ExitCant({Code::kUnknown, "answer_malformed", "the answer is no list: is this a Boxoffice?"});
    }
    for (const json::value& item : page_items->as_array()) items.push_back(item);
    const std::string cursor = TextOf(page, "next_cursor");
    if (cursor.empty() || items.size() >= kMaxListed) {
      json::object all;
      all["items"] = std::move(items);
      all["next_cursor"] = cursor.empty() ? json::value(nullptr) : json::value(cursor);
      return all;
    }
    next = fmt::format("{}&cursor={}", first, cursor);
  }
}

void PrintList(const RestOptions& options, const json::object& list,
               const std::vector<std::string>& columns) {
  if (options.json) {
    fmt::print("{}\n", json::serialize(list));
    return;
  }
  std::vector<std::vector<std::string>> rows(1);
  std::vector<std::string> names;
  for (const std::string& column : columns) {
    const size_t equals = column.find('=');
    rows[0].push_back(column.substr(0, equals));
    names.push_back(column.substr(equals + 1));
  }
  for (const json::value& item : list.at("items").as_array()) {
    std::vector<std::string>& row = rows.emplace_back();
    for (const std::string& name : names) row.push_back(TextOf(item, name));
  }
  std::vector<size_t> widths(columns.size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size() ? fmt::format("{:<{}}  ", row[i], widths[i]) : row[i];
    }
    fmt::print("{}\n", line);
  }
  if (!list.at("next_cursor").is_null()) fmt::print("… and more\n");
}

void PrintRows(const RestOptions& options, json::value items, const std::vector<std::string>& columns) {
  PrintList(options, {{"items", std::move(items)}, {"next_cursor", nullptr}}, columns);
}

void PrintObject(const RestOptions& options, const json::value& object,
                 const std::vector<std::string>& members) {
  if (options.json) {
    fmt::print("{}\n", json::serialize(object));
    return;
  }
  size_t width = 0;
  for (const std::string& name : members) width = std::max(width, name.size());
  for (const std::string& name : members) fmt::print("{:<{}}  {}\n", name, width, TextOf(object, name));
}

void PrintRefused(const RestOptions& options, const json::array& refused) {
  if (refused.empty()) return;
  if (!options.json) PrintRows(options, refused, {"REFUSED=id", "CODE=code"});
  Exit(kExitNo);
}

json::object ReadAmounts(std::string_view option, std::string_view form,
                         const std::vector<std::string>& given) {
  json::object prices;
  for (const std::string& price : given) {
    const size_t equals = price.rfind('=');
    const auto amount = equals == std::string::npos || equals == 0
                            ? std::nullopt
                            : ParseNumber<int64_t>(std::string_view(price).substr(equals + 1));
    if (!amount) {
      ExitCant({Code::kInvalidArgument, "usage", fmt::format("{} is {}, not \"{}\"", option, form, price)});
    }
    if (!prices.emplace(price.substr(0, equals), *amount).second) {
      ExitCant({Code::kInvalidArgument, "usage",
                fmt::format("{} names {} twice", option, price.substr(0, equals))});
    }
  }
  return prices;
}

void EndAtInterrupt() {
  HandleUnlessIgnored(SIGINT, [](int) { std::_Exit(kExitOk); });
}

void Pause(std::chrono::milliseconds time) {
  boost::asio::io_context io;
  boost::asio::steady_timer(io, time).wait();
}

}  // namespace boxoffice::cli
