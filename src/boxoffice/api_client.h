// How the commands of operators reach a running system: its REST interface, with an operator's token.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/App.hpp>
#include <boost/json/value.hpp>

#include "base/result.h"
#include "platform/auth/token.h"
#include "platform/http/client.h"

namespace boxoffice::cli {

struct ApiOptions {
  std::optional<std::string> url;  // nullopt: GatewayUrl finds it
  std::string token;               // empty: one is made with the development key in `data`
  std::filesystem::path data = ".data";
  bool data_named = false;  // on the command line: it is that of the system which is asked, whoever's token
  // With somebody's token, the folder that happens to be there says nothing of the system.
  [[nodiscard]] bool FolderIsItsOwn() const { return token.empty() || data_named; }
};

// For which a command waits for a new audit: the sums over a large ledger alone take minutes, and a suspicion
// about them takes as long each time that it is looked at.
inline constexpr std::chrono::seconds kAuditLimit{3'600};

// Whom the development system on `data` believes. Its key must be there: a command makes none, which nobody
// would believe. Errors: no_token, which tells to give `instead`, and those of the key's file.
[[nodiscard]] Result<auth::TokenIssuer> DevelopmentIssuer(const std::filesystem::path& data,
                                                          std::string_view instead);

// Adds --url, --token and --data to a command. `options` must live until it has run.
void AddApiFlags(CLI::App& command, ApiOptions& options);
// --url alone, and --data alone.
void AddUrlFlag(CLI::App& command, ApiOptions& options);
void AddDataFlag(CLI::App& command, ApiOptions& options, const std::string& description);

// Where the gateway is, as http://HOST[:PORT] or https: what `options` say, else, if FolderIsItsOwn, where
// the `up --scaled` that runs on the data folder serves, else kDefaultUrl. Error: url_malformed.
inline constexpr std::string_view kDefaultUrl = "http://127.0.0.1:8080";
[[nodiscard]] Result<std::string> GatewayUrl(const ApiOptions& options);

// New for each request that is meant; a repeat carries the same one.
[[nodiscard]] std::string NewIdempotencyKey();

inline constexpr std::chrono::seconds kRequestLimit{60};
// For which a command waits for the comparison of a settlement file: a minute more than the gateway may be
// told to (call.settlement_timeout_ms), so that it is the gateway that gives up, and says so.
inline constexpr std::chrono::seconds kSettlementLimit{3'660};

// A value; every call opens a connection of its own.
class ApiClient {
 public:
  // Errors: url_malformed, no_token (neither a token nor a development key), and those of the key's file.
  [[nodiscard]] static Result<ApiClient> Make(const ApiOptions& options);

  // A request with the operator's token, for who sends several at once.
  [[nodiscard]] http::ClientRequest Request(std::string_view method, std::string_view path,
                                            std::chrono::milliseconds timeout) const;
  // Any status is a success. `path` begins with a slash; a body is sent as `content_type`. A POST carries an
  // Idempotency-Key: `key`, or a new one. Errors: those of http::FetchBlocking.
  [[nodiscard]] Result<http::ClientResponse> Send(std::string_view method, std::string_view path,
                                                  std::string body = {}, std::optional<std::string> key = {},
                                                  std::chrono::milliseconds timeout = kRequestLimit,
                                                  std::string_view content_type = "application/json") const;

 private:
  std::string url_;
  std::string token_;
};

// `text` with a space for each control character: what comes from elsewhere moves no cursor.
[[nodiscard]] std::string WithoutControls(std::string text);
// `name` of an object as text for people, without controls: "" for null and for what is not there, a string
// without quotes.
[[nodiscard]] std::string TextOf(const boost::json::value& object, std::string_view name);

// "403 forbidden: only operators may do that", from a problem; for people.
[[nodiscard]] std::string DescribeProblem(const http::ClientResponse& response);

}  // namespace boxoffice::cli
