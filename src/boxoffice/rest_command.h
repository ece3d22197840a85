// What every operator's command shares: flags, the call, and how answers are printed.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/App.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "boxoffice/api_client.h"

namespace boxoffice::cli {

struct RestOptions {
  ApiOptions api;
  bool json = false;
  bool has_key = false;                             // the command takes --key, by which it can be repeated
  std::chrono::milliseconds limit = kRequestLimit;  // for which it waits for an answer
};

// Adds the subcommand `name` to `group`, with --url, --token, --data, --json and the exit codes. `run` is
// called with the options when it was given on the command line.
CLI::App* AddRestCommand(CLI::App& group, const std::string& name, const std::string& description,
                         std::function<void(const RestOptions&)> run);

// The answer to one request, whatever it says. No answer ends the command with kExitCant; with a `key`, which
// a POST has, it says how to repeat what may have been done. So it does where SIGINT, SIGTERM or SIGHUP ends
// it meanwhile, with 128 and the signal's number.
[[nodiscard]] http::ClientResponse Send(const RestOptions& options, std::string_view method,
                                        std::string_view path, std::string body = {},
                                        std::optional<std::string> key = {},
                                        std::string_view content_type = "application/json");
[[nodiscard]] bool IsDone(const http::ClientResponse& response);
// Refused for who asks, or by what is in between, rather than for what is asked.
[[nodiscard]] bool IsOutside(const http::ClientResponse& response);
// Says why, and ends the command: with kExitCant where IsOutside, otherwise kExitNo. What may have been done
// all the same, of a request with a `key`, is kExitCant, too, and it says how to repeat it.
[[noreturn]] void Refused(const RestOptions& options, const http::ClientResponse& response,
                          const std::optional<std::string>& key = std::nullopt);
// The answer to one request as it came; refusals and failures as with Ask. A POST of a command that takes
// --key has one, whether it was given or not.
[[nodiscard]] http::ClientResponse Fetch(const RestOptions& options, std::string_view method,
                                         std::string_view path, std::string body = {},
                                         std::optional<std::string> key = {},
                                         std::string_view content_type = "application/json");
// The answer to one request as JSON (null if it has no body). A refusal ends the command with kExitNo; no
// access, or no answer, with kExitCant; both say why.
[[nodiscard]] boost::json::value Ask(const RestOptions& options, std::string_view method,
                                     std::string_view path, std::string body = {},
                                     std::optional<std::string> key = {});

// All items of a list, page by page, at most kMaxListed; as {"items", "next_cursor"}. `path` may have a
// query.
inline constexpr size_t kMaxListed = 10'000;
[[nodiscard]] boost::json::object AskAll(const RestOptions& options, const std::string& path);

// With --json the answer as it came, otherwise a table of these members of its items: "HEADING=member".
void PrintList(const RestOptions& options, const boost::json::object& list,
               const std::vector<std::string>& columns);
// The same of a list that has no further page.
void PrintRows(const RestOptions& options, boost::json::value items, const std::vector<std::string>& columns);
// Asks on a terminal whether to go on with what can't be undone, and ends the command with kExitCant unless
// the answer is yes; without a terminal there must have been --yes.
void Confirm(bool yes, std::string_view what);

// What of many was refused, {"id", "code"} each: as a table, but for --json, whose answer has them. Ends the
// command with kExitNo unless there is none.
void PrintRefused(const RestOptions& options, const boost::json::array& refused);

// With --json the answer as it came, otherwise one line for each of these members.
void PrintObject(const RestOptions& options, const boost::json::value& object,
                 const std::vector<std::string>& members);

// From "R=110000", …, as they were given with `option`; ends the command with kExitCant otherwise, and says
// that the option is `form`, or which name came twice.
[[nodiscard]] boost::json::object ReadAmounts(std::string_view option, std::string_view form,
                                              const std::vector<std::string>& given);

// From now on Ctrl-C ends the command as it is meant to: it is done, kExitOk. For what goes on until then.
void EndAtInterrupt();

// Waits before the command looks again.
void Pause(std::chrono::milliseconds time);

}  // namespace boxoffice::cli
