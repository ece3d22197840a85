#include "boxoffice/doctor.h"

#include <algorithm>
#include <array>
#include <exception>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "base/text.h"
#include "boxoffice/cluster.h"
#include "boxoffice/store_look.h"
#include "platform/bus/bus_factory.h"
#include "platform/config/keys.h"
#include "platform/http/client.h"
#include "platform/obs/metrics.h"
#include "platform/rpc/tls_files.h"

namespace boxoffice::doctor {
namespace {

namespace json = boost::json;
using cli::TextOf;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kAnswerLimit{10};
constexpr seconds kReadyLimit{2};  // of a process on this machine
constexpr double kOutboxOld = 60;  // seconds that an event may wait
constexpr int64_t kLagLong = 10'000;
constexpr size_t kSomeLetters = 100;

class Examination {
 public:
  explicit Examination(const Options& options) : options_(options) {}

  std::vector<Finding> Run() {
    const auto places = Places::OpenRunning(options_.places);
    if (places) {
      Note("configuration", "all services", Status::kOk, Described(**places));
      Stores(**places);
      Bus(**places);
      Disks(**places);
      Certificates(**places);
      TokenKeys(**places);
      Keys(**places);
    } else {
      findings_.push_back(JudgeConfiguration(places.error(), options_.places_assumed));
    }
    Replicas();
    if (Gateway()) Operations();
    return std::move(findings_);
  }

 private:
  void Note(std::string check, std::string subject, Status status, std::string detail,
            std::string advice = {}) {
    findings_.push_back({std::move(check), std::move(subject), status, std::move(detail), std::move(advice)});
  }

  std::string Described(const Places& places) const {
    const std::filesystem::path& from =
        options_.places.config.empty() ? options_.places.data : options_.places.config;
    return fmt::format("read from {}; the bus is {}", from.string(), config::MaskPassword(places.bus_url()));
  }

  void Stores(const Places& places) {
    for (const Place& place : places.all()) {
      if (!place.program.migrate) continue;
      const std::string& service = place.program.service;
      const auto look = LookAtStore(place.config.store_url, service);
      if (!look) {
        findings_.push_back(JudgeStore(service, look.error(), MigrateCommand(options_.places)));
        continue;
      }
      const bool has_schema =
          place.program.rows.version > 0;  // that of what is counted anew is not looked at
      const Result<void> schema = has_schema ? CheckSchema(place) : Result<void>();
      if (schema) {
        Note("store", service, Status::kOk,
             fmt::format("{} answers{}", look->software, has_schema ? ", and its schema is up to date" : ""));
      } else {
        findings_.push_back(JudgeStore(service, schema.error(), MigrateCommand(options_.places)));
      }
      for (const std::string& risk : look->risks)
        Note("store", service, Status::kWarning, risk, "set it as docs/howto/managed-stores.md says");
      if (look->time) {
        const auto ahead = std::chrono::duration_cast<milliseconds>(*look->time - SystemClock().Now());
        findings_.push_back(JudgeClock(fmt::format("{} of {}", look->software, service), ahead));
      }
    }
  }

  // A moment's look, without holding anybody.
  static Result<void> CheckSchema(const Place& place) {
    BOXOFFICE_ASSIGN(const auto snapshot, place.program.rows.snapshot(place.config.store_url));
    return snapshot->Take();
  }

  void Bus(const Places& places) {
    const std::string url = config::MaskPassword(places.bus_url());
    const auto problem = [&](const Error& error) {
      Note("bus", url, Status::kProblem, fmt::format("{} ({})", error.detail, error.reason),
           "start the brokers, or correct bus.url, which must be the same in all services; sales go on "
           "meanwhile "
           "and their events wait in the outboxes");
    };
    std::set<std::string> missing;  // two services may need the same
    for (const Place& place : places.all()) {
      const module::ServiceProgram& program = place.program;
      const auto found = bus::MissingOf(
          places.bus_url(),
          {.published = program.topics, .group = program.service, .consumed = program.consumed_topics});
      if (!found) return problem(found.error());
      missing.insert(found->begin(), found->end());
    }
    if (!missing.empty()) {
      return Note(
          "bus", url, Status::kProblem, fmt::format("{}", fmt::join(missing, "; ")),
          fmt::format("run `{}`, which makes topics and their partitions", MigrateCommand(options_.places)));
    }
    Note("bus", url, Status::kOk, fmt::format("{} topics are there", places.Topics().size()));
    Consumers(places);
  }

  void Consumers(const Places& places) {
    const SystemClock clock;
    obs::Registry metrics;
    const auto bus = bus::OpenBus(places.bus_url(), clock, metrics);
    if (!bus) return;
    for (const Place& place : places.all()) {
      if (place.program.consumed_topics.empty()) continue;
      const auto lag = (*bus)->Lag(place.program.service, place.program.consumed_topics);
      if (!lag) continue;
      const bool long_ = *lag > kLagLong;
      Note("consumer", place.program.service, long_ ? Status::kWarning : Status::kOk,
           fmt::format("{} events wait for it", *lag),
           long_ ? "see whether it is up and its store answers; else give it more replicas" : "");
    }
    const auto letters = (*bus)->DeadLetters(kSomeLetters);
    if (letters && !letters->empty()) {
      Note("consumer", "dead letters", Status::kWarning,
           fmt::format("{}{} events could not be consumed; the first: {} ({})", letters->size(),
                       letters->size() == kSomeLetters ? " or more" : "", letters->front().error.detail,
                       letters->front().error.reason),
           "mend the cause, then `boxoffice dead-letter replay LETTER`");
    }
  }

  void Disks(const Places& places) {
    std::set<dev_t> seen;
    for (const Place& place : places.all()) {
      const std::filesystem::path& folder = place.config.data;
      struct stat status{};
      if (::stat(folder.c_str(), &status) != 0 || !seen.insert(status.st_dev).second) continue;
      std::error_code error;
      const auto space = std::filesystem::space(folder, error);
      if (!error) findings_.push_back(JudgeDisk(folder, space.available, space.capacity));
    }
  }

  void Certificates(const Places& places) {
    for (const Place& place : places.all()) {
      const rpc::TlsConfig& tls = place.config.tls;
      if (tls.certificate.empty()) continue;
      const std::string& service = place.program.service;
      const std::filesystem::path folder = std::filesystem::absolute(tls.certificate).parent_path();
      std::error_code ignored;
      if (std::filesystem::status(folder, ignored).type() == std::filesystem::file_type::not_found) {
        Note("certificate", service, Status::kSkipped, fmt::format("there is no {} here", folder.string()),
             "each service has its own: run this where that service's are");
        continue;
      }
      if (const auto checked = CheckFiles(tls); !checked && checked.error().reason != "tls_expired") {
        Note("certificate", service, Status::kProblem,
             fmt::format("{} ({})", checked.error().detail, checked.error().reason),
             "correct tls.ca_file, tls.certificate_file and tls.key_file of this service");
        continue;
      }
      for (const std::filesystem::path& file : {tls.certificate, tls.ca}) {
        if (const auto left = LeftOf(file)) findings_.push_back(JudgeCertificate(service, file, *left));
      }
    }
  }

  static Result<void> CheckFiles(const rpc::TlsConfig& tls) {
    BOXOFFICE_ASSIGN(const auto texts, rpc::ReadTls(tls));
    BOXOFFICE_TRY(rpc::CheckTls(texts, tls));
    return {};
  }

  static std::optional<seconds> LeftOf(const std::filesystem::path& file) {
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_file(file.c_str(), "r"), &BIO_free);
    if (bio == nullptr) return std::nullopt;
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    int days = 0;
    int rest = 0;
    if (certificate == nullptr ||
        ASN1_TIME_diff(&days, &rest, nullptr, X509_get0_notAfter(certificate.get())) != 1)
      return std::nullopt;
    return seconds(int64_t{days} * 86'400 + rest);
  }

  void TokenKeys(const Places& places) {
    std::map<std::string, std::vector<std::string>> keys;  // by service
    for (const Place& place : places.all()) {
      if (place.config.token_keys) keys[place.program.service] = *place.config.token_keys;
    }
    if (keys["queue"].empty() && keys["gateway"].empty()) return;  // of development: Keys
    findings_.push_back(JudgeTokenKeys(keys["queue"], keys["gateway"]));
  }

  void Keys(const Places& places) {
    std::set<std::filesystem::path> seen;
    for (const Place& place : places.all()) {
      const std::filesystem::path folder = place.config.data / "keys";
      std::error_code error;
      const auto real = std::filesystem::canonical(folder, error);
      if (error || !seen.insert(real).second) continue;
      size_t files = 0;
      for (const auto& entry : std::filesystem::directory_iterator(real, error)) {
        ++files;
        struct stat status{};
        if (::stat(entry.path().c_str(), &status) != 0 || (status.st_mode & 077) == 0) continue;
        Note("keys", entry.path().string(), Status::kProblem, "others than its owner may read it",
             fmt::format("chmod 600 {}; replace it if strangers have accounts here", entry.path().string()));
      }
      if (files == 0) continue;
      // A configured deployment names its secrets; those here were made because it did not.
      if (options_.places.config.empty()) {
        Note("keys", real.string(), Status::kOk, fmt::format("{} development keys", files));
      } else {
        Note("keys", real.string(), Status::kWarning,
             fmt::format("{} has development keys of its own ({} files)", place.program.service, files),
             "name your issuer (jwt.*) and queue keys (token.keys) in the configuration, the same for all "
             "replicas; then remove these");
      }
    }
  }

  static http::ClientRequest ReadyRequest(const std::string& url, seconds limit) {
    http::ClientRequest request;
    request.url = url + "/readyz";
    request.timeout = limit;
    return request;
  }

  // Of one process: whether it is ready, and which version it is.
  void Readiness(const std::string& subject, const Result<http::ClientResponse>& response,
                 const std::string& down) {
    if (!response) {
      return Note("replica", subject, Status::kProblem,
                  fmt::format("{} ({})", response.error().detail, response.error().reason), down);
    }
    const int status = response->status;
    boost::system::error_code error;
    const json::value body = json::parse(response->body, error);
    if (error) {
      return Note("replica", subject, Status::kProblem, fmt::format("it answers {}, and no JSON", status),
                  down);
    }
    std::string problems;
    const json::object* object = body.if_object();
    const json::value* modules = object != nullptr ? object->if_contains("modules") : nullptr;
    if (modules == nullptr || !modules->is_array()) {
      return Note("replica", subject, Status::kProblem,
                  fmt::format("it answers {}, and not what a Boxoffice does", status),
                  "see what is between here and it, and whether the address is right: " + down);
    }
    for (const json::value& module : modules->as_array()) {
      if (const std::string problem = TextOf(module, "problem"); !problem.empty())
        problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", TextOf(module, "name"), problem);
    }
    if (status == 200) {
      Note("replica", subject, Status::kOk, "ready");
    } else {
      Note("replica", subject, Status::kProblem,
           problems.empty() ? fmt::format("it answers {}", status) : problems,
           "mend what it names; it serves again by itself");
    }
    Finding version = JudgeVersion(subject, TextOf(body, "version"), options_.version);
    if (version.status != Status::kOk) findings_.push_back(std::move(version));
  }

  // Of `up --scaled`.
  void Replicas() {
    if (!options_.places.own_servers) return;
    const auto described = DescribeCluster(options_.places.data);
    if (!described) {
      return Note("replica", options_.places.data.string(), Status::kProblem, described.error().detail,
                  "start it: `boxoffice up --scaled`");
    }
    const json::value& state = *described;
    for (const json::value& server : state.at("servers").as_array()) {
      const bool runs = server.at("running").as_bool();
      Note("server", TextOf(server, "name"), runs ? Status::kOk : Status::kProblem,
           runs ? "runs" : "has ended",
           runs ? "" : "`up --scaled` starts it again; else see its log in the data folder");
    }
    const json::array& processes = state.at("processes").as_array();
    std::vector<http::ClientRequest> requests;
    for (const json::value& process : processes)
      requests.push_back(ReadyRequest("http://" + TextOf(process, "admin"), kReadyLimit));
    const auto answers = http::FetchAllBlocking(std::move(requests));
    for (size_t i = 0; i < processes.size(); ++i) {
      const json::value& process = processes[i];
      const std::string name =
          fmt::format("{}-{}", TextOf(process, "service"), process.at("replica").to_number<int>());
      if (!answers[i] && answers[i].error().reason == "timeout" && process.at("running").as_bool()) {
        const auto pid = process.at("pid").to_number<int64_t>();
        findings_.push_back(JudgeSilence(name, pid, StateOf(pid), TextOf(process, "log")));
      } else {
        Readiness(name, answers[i], "see " + TextOf(process, "log"));
      }
    }
  }

  // "T (stopped)"; empty: it is not there any more.
  static std::string StateOf(int64_t pid) {
    constexpr std::string_view kName = "State:";
    std::ifstream in(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(kName)) return std::string(Trim(std::string_view(line).substr(kName.size())));
    }
    return {};
  }

  // Whether it answers: else nothing else is asked of it.
  bool Gateway() {
    const std::string& url = *options_.api.url;
    const auto response = http::FetchBlocking(ReadyRequest(url, kAnswerLimit));
    Readiness("gateway at " + url, response, "start the system, or give its address with --url");
    if (!response) {
      Note("operations", "gateway", Status::kSkipped, "it does not answer",
           "outboxes, breakers, sagas and the auditor are checked once it does");
    }
    return response.has_value();
  }

  // What only operators may see.
  void Operations() {
    const auto client = cli::ApiClient::Make(options_.api);
    if (!client) {
      return Note("operations", "gateway", Status::kSkipped, client.error().detail,
                  "give --token to check outboxes, breakers, sagas and the auditor too");
    }
    struct Look {
      const char* path;
      void (Examination::*how)(const json::value&);
    };
    constexpr std::array kLooks{Look{"/v1/admin/outbox", &Examination::Outboxes},
                                Look{"/v1/admin/breakers", &Examination::Breakers},
                                Look{"/v1/admin/sagas?status=parked&limit=200", &Examination::Parked},
                                Look{"/v1/admin/audit", &Examination::Audit}};
    std::vector<http::ClientRequest> requests;
    for (const Look& look : kLooks) requests.push_back(client->Request("GET", look.path, kAnswerLimit));
    const auto answers = http::FetchAllBlocking(std::move(requests));
    for (size_t i = 0; i < kLooks.size(); ++i) Operation(kLooks[i].path, answers[i], kLooks[i].how);
  }

  void Operation(const std::string& path, const Result<http::ClientResponse>& response,
                 void (Examination::*how)(const json::value&)) {
    if (!response) {
      return Note("operations", path, Status::kProblem, response.error().detail,
                  "see whether the gateway answers in time");
    }
    boost::system::error_code malformed;
    json::value body = json::parse(response->body, malformed);
    if (response->status == 204 && path.ends_with("/audit")) {
      body = nullptr;  // there is none yet
    } else if (response->status != 200 || malformed || !body.is_object()) {
      return Note("operations", path, Status::kProblem, cli::DescribeProblem(*response),
                  response->status == 401 || response->status == 403 ? "give the token of an operator"
                                                                     : "mend the service that it asks");
    }
    try {
      (this->*how)(body);
    } catch (const std::exception& error) {  // of Boost.JSON: a member is missing, or of another kind
      Note("operations", path, Status::kProblem,
           fmt::format("the answer is not what the contract says ({})", error.what()),
           "use the program of the version that runs, and see what is between here and the gateway");
    }
  }

  void Outboxes(const json::value& list) {
    for (const json::value& row : list.at("items").as_array()) {
      const std::string service = TextOf(row, "service");
      if (const json::value& pending = row.at("pending"); !pending.is_number()) {
        Note("outbox", service, Status::kProblem, TextOf(row, "problem"),
             "the service does not answer: start it, or see its log");
        continue;
      }
      const json::value& age = row.at("oldest_age_s");
      const double oldest = age.is_null() ? 0 : age.to_number<double>();
      const bool old = oldest > kOutboxOld;
      Note("outbox", service, old ? Status::kProblem : Status::kOk,
           fmt::format("{} events wait, the oldest for {:.0f} s", row.at("pending").to_number<int64_t>(),
                       oldest),
           old ? "see whether the bus takes events, and the service's log for outbox_publish" : "");
    }
  }

  void Breakers(const json::value& list) {
    struct Ways {  // of one caller to the replicas of a service
      size_t reached = 0;
      std::vector<std::string> unreached;
    };
    std::map<std::pair<std::string, std::string>, Ways> callers;
    size_t closed = 0;
    for (const json::value& row : list.at("items").as_array()) {
      const std::string client = TextOf(row, "client");
      const std::string service = TextOf(row, "service");
      const std::string replica = TextOf(row, "replica");
      Ways& ways = callers[{client, service}];
      const json::value* reachable = row.as_object().if_contains("reachable");
      if (reachable != nullptr && reachable->is_bool() && !reachable->as_bool()) {
        ways.unreached.push_back(replica);
        continue;
      }
      ++ways.reached;
      if (const std::string state = TextOf(row, "state"); state != "closed" && !state.empty()) {
        Note("breaker", fmt::format("{} → {} {}", client, service, replica), Status::kWarning,
             "it is " + state,
             "the service fails or is too slow: see its log and its store; the breaker closes by itself");
      } else {
        ++closed;
      }
    }
    for (const auto& [caller, ways] : callers) {
      if (ways.unreached.empty()) continue;
      findings_.push_back(JudgeReachability(caller.first, caller.second, ways.reached, ways.unreached));
    }
    if (closed > 0) Note("breaker", "gateway", Status::kOk, fmt::format("{} are closed", closed));
  }

  void Parked(const json::value& list) {
    const size_t count = list.at("items").as_array().size();
    Note("sagas", "parked", count > 0 ? Status::kWarning : Status::kOk,
         fmt::format("{}{} wait for an operator", count, count == 200 ? " or more" : ""),
         count > 0 ? "`boxoffice saga list --status parked`, then retry or undo each" : "");
  }

  void Audit(const json::value& report) {
    const json::object* object = report.if_object();
    const json::value* ok = object != nullptr ? object->if_contains("ok") : nullptr;
    if (ok == nullptr || !ok->is_bool()) {
      return Note("audit", "invariants", Status::kSkipped, "there was no audit yet",
                  "`boxoffice audit` runs one");
    }
    if (ok->as_bool()) return Note("audit", "invariants", Status::kOk, "the last audit was clean");
    Note(
        "audit", "invariants", Status::kProblem, "the last audit found violations",
        "`boxoffice audit` names them; until they are understood stop what is concerned: `boxoffice show set "
        "SHOW --on-sale-at TIME` with a time ahead, as who is in buys on while a queue is paused");
  }

  const Options& options_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> Examine(const Options& options) { return Examination(options).Run(); }

}  // namespace boxoffice::doctor
