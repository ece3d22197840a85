#include "platform/rpc/tls.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/obs/log.h"
#include "platform/obs/metrics.h"

namespace boxoffice::rpc {
namespace {

namespace grpc_tls = grpc::experimental;

// Reading three small files takes some 30 us.
constexpr std::chrono::seconds kLookEvery{1};
// How often gRPC looks at what it is given, the least that it takes.
constexpr unsigned kGrpcLooksEverySeconds = 1;

// A file in memory whose name stays while its content is replaced as a whole. gRPC 1.51 takes certificates
// that change from files alone, and takes them unseen: a key that does not match would leave it without a
// certificate. So it gets the name of one of these, in which there is only what has been checked; and no key
// is written to a disk. The descriptor is never closed: gRPC reads it as long as there is a channel that was
// made with it, and another file of its number would be trusted.
class MemoryFile {
 public:
  [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

  // Whoever opens it from now on finds `text`. Error: tls_unsupported.
  [[nodiscard]] Result<void> Replace(std::string_view text) {
    const int next = memfd_create("boxoffice-tls", MFD_CLOEXEC);
    if (next < 0) return Unsupported();
    // gRPC reads key and certificate one after the other, and again if the file's second has changed between.
    const timespec second{.tv_sec = ++second_, .tv_nsec = 0};
    const std::array<timespec, 2> times{second, second};
    const bool written = write(next, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                         futimens(next, times.data()) == 0;
    if (written && descriptor_ < 0) {
      descriptor_ = next;
      return {};
    }
    const bool replaced = written && dup3(next, descriptor_, O_CLOEXEC) == descriptor_;
    const int error = errno;
    close(next);
    errno = error;
    return replaced ? Result<void>() : Unsupported();
  }

  [[nodiscard]] Result<void> CheckReadable() const {
    if (access(path().c_str(), R_OK) != 0) return Unsupported();
    return {};
  }

 private:
  static std::unexpected<Error> Unsupported() {
    return Fail(Code::kInternal, "tls_unsupported",
                fmt::format("certificates can't be handed to gRPC by a file in memory: {}",
                            std::strerror(errno)));  // NOLINT(concurrency-mt-unsafe): read at once
  }
  int descriptor_ = -1;
  time_t second_ = 0;
};

// gRPC stays initialised while this is there.
struct Library {
  Library() { grpc_init(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  ~Library() { grpc_shutdown(); }
};

// What gRPC reads.
struct Handed {
  MemoryFile authorities;
  MemoryFile identity;  // the key and its certificate, which change together

  [[nodiscard]] Result<void> Replace(const TlsTexts& texts) {
    BOXOFFICE_TRY(authorities.Replace(texts.ca));
    return identity.Replace(texts.key + "\n" + texts.certificate);
  }
};

void Watch(grpc_tls::TlsCredentialsOptions& options) {
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
}

}  // namespace

struct Tls::Parts {
  Parts(TlsConfig config_in, obs::Registry* metrics_in)
      : config(std::move(config_in)), given(metrics_in), metrics(given != nullptr ? *given : nobodys) {}

  // `end` is that of `texts`, which are checked.
  [[nodiscard]] Result<void> Take(TlsTexts texts, std::chrono::sys_seconds end) {
    BOXOFFICE_TRY(handed.Replace(texts));
    in_use = std::move(texts);
    metrics
        .GetGauge("boxoffice_tls_certificate_end_timestamp_seconds",
                  "When the certificate that a service shows ends, or its authority if that ends before",
                  {{"service", config.service}})
        .Set(static_cast<double>(end.time_since_epoch().count()));
    NoteRefused("");
    return {};
  }

  // `why`: nothing, where the files are those in use.
  void NoteRefused(std::string why) {
    metrics
        .GetGauge("boxoffice_tls_files_refused",
                  "1 while the files of a service's certificate are not used, because they would not work",
                  {{"service", config.service}})
        .Set(why.empty() ? 0 : 1);
    refused = std::move(why);
  }

  void Reject(const Error& error) {
    std::string why = fmt::format("{}: {}", error.reason, error.detail);
    if (why == refused) return;
    obs::Log(obs::Level::kError, "tls_files_refused",
             {{"service", config.service}, {"reason", error.reason}, {"detail", error.detail}});
    Reloads("refused").Add();
    NoteRefused(std::move(why));
  }

  obs::Counter& Reloads(const char* outcome) {
    return metrics.GetCounter("boxoffice_tls_reloads_total",
                              "Changes of the files of a service's certificate: taken, or refused",
                              {{"service", config.service}, {"outcome", outcome}});
  }

  void Look() {
    Result<TlsTexts> texts = ReadTls(config);
    if (texts && *texts == in_use) {
      NoteRefused("");  // also where somebody has put the old ones back
      return;
    }
    // Whoever is still writing is not done at the second look.
    if (!last_look || texts != *last_look) {
      last_look = std::move(texts);
      return;
    }
    if (!texts) return Reject(texts.error());
    const Result<std::chrono::sys_seconds> end = CheckTls(*texts, config);
    if (!end) return Reject(end.error());
    if (const auto taken = Take(*std::move(texts), *end); !taken) return Reject(taken.error());
    Reloads("taken").Add();
    obs::Log(obs::Level::kInfo, "tls_files_taken", {{"service", config.service}});
  }

  void Loop(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, stop, kLookEvery, [&stop] { return stop.stop_requested(); })) Look();
  }

  const TlsConfig config;
  obs::Registry* const given;
  obs::Registry nobodys;
  obs::Registry& metrics;
  const Library library;
  Handed handed;
  std::shared_ptr<grpc_tls::FileWatcherCertificateProvider> provider;
  std::shared_ptr<grpc::ChannelCredentials> for_channel;
  // Of the thread, once there is one.
  TlsTexts in_use;
  std::string refused;  // why the files are not used
  std::optional<Result<TlsTexts>> last_look;
  std::mutex mutex;
  std::condition_variable_any wake;
  std::jthread thread;  // last: starts when all else is made
};

Tls::Tls(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tls::~Tls() = default;

Result<std::shared_ptr<const Tls>> Tls::Load(const TlsConfig& config, obs::Registry* metrics) {
  auto parts = std::make_unique<Parts>(config, metrics);
  BOXOFFICE_ASSIGN(TlsTexts texts, ReadTls(config));
  BOXOFFICE_ASSIGN(const std::chrono::sys_seconds end, CheckTls(texts, config));
  BOXOFFICE_TRY(parts->Take(std::move(texts), end));
  // There from the start, so that the first one is an increase.
  for (const char* outcome : {"taken", "refused"}) (void)parts->Reloads(outcome);
  BOXOFFICE_TRY(parts->handed.identity.CheckReadable());
  const std::string own = parts->handed.identity.path();
  parts->provider = std::make_shared<grpc_tls::FileWatcherCertificateProvider>(
      own, own, parts->handed.authorities.path(), kGrpcLooksEverySeconds);
  grpc_tls::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(parts->provider);
  Watch(options);
  parts->for_channel = grpc_tls::TlsCredentials(options);
  parts->thread = std::jthread([raw = parts.get()](const std::stop_token& stop) { raw->Loop(stop); });
  return std::shared_ptr<const Tls>(new Tls(std::move(parts)));
}

std::shared_ptr<grpc::ChannelCredentials> Tls::ForChannel() const { return parts_->for_channel; }

std::shared_ptr<grpc::ServerCredentials> Tls::ForServer() const {
  grpc_tls::TlsServerCredentialsOptions options(parts_->provider);
  Watch(options);
  options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return grpc_tls::TlsServerCredentials(options);
}

const TlsConfig& Tls::config() const { return parts_->config; }

Result<std::shared_ptr<const Tls>> Tls::With(const TlsConfig& config) const {
  return Load(config, parts_->given);
}

}  // namespace boxoffice::rpc
