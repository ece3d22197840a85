#include "platform/servers/private_kafka.h"

#include <chrono>
#include <csignal>
#include <fstream>
#include <vector>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace boxoffice::servers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kPatience{90};
constexpr seconds kEnd{15};
constexpr milliseconds kEndStep{100};
constexpr const char* kJava = "/usr/bin/java";

// A small heap, and the compiler that costs little: it shares the machine with everything else, and C2 would
// take more of the first minutes than it gives back (docs/performance.md).
std::vector<std::string> JavaCommand(const std::string& class_path, const std::string& main_class,
                                     const std::vector<std::string>& arguments) {
  std::vector<std::string> command{kJava,
                                   "-Xms64m",
                                   "-Xmx512m",
                                   "-XX:+UseSerialGC",
                                   "-XX:TieredStopAtLevel=1",
                                   "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                                   "-cp",
                                   class_path,
                                   main_class};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

bool TakesConnections(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool taken = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return taken;
}

// The last run's Kafka, whose parent was killed, ends within that time.
bool AwaitFree(uint16_t port) {
  const auto end = std::chrono::steady_clock::now() + kEnd;
  while (TakesConnections(port)) {
    if (std::chrono::steady_clock::now() >= end) return false;
    poll(nullptr, 0, static_cast<int>(kEndStep.count()));
  }
  return true;
}

}  // namespace

// The ports are chosen once: the data belongs to them. The settings name the folder, which may have been
// moved or copied since the last start.
Result<void> PrivateKafka::Prepare(const std::string& class_path) {
  const std::filesystem::path ports = folder_ / "ports";
  const std::filesystem::path settings = folder_ / "server.properties";
  uint16_t controller_port = 0;
  std::ifstream in(ports);
  const bool is_formatted = static_cast<bool>(in >> port_ >> controller_port);
  if (!is_formatted) {
    BOXOFFICE_ASSIGN(port_, FreePort());
    BOXOFFICE_ASSIGN(controller_port, FreePort());
  }
  std::ofstream out(settings);
  out << fmt::format(
      "process.roles=broker,controller\nnode.id=1\n"
      "controller.quorum.voters=1@127.0.0.1:{1}\n"
      "listeners=BROKER://127.0.0.1:{0},CONTROLLER://127.0.0.1:{1}\n"
      "advertised.listeners=BROKER://127.0.0.1:{0}\n"
      "listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
      "inter.broker.listener.name=BROKER\ncontroller.listener.names=CONTROLLER\n"
      "log.dirs={2}\n"
      "auto.create.topics.enable=false\n"
      "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=4\n"
      "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
      "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n"
      "num.network.threads=2\nnum.io.threads=2\n"
      "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n"
      "group.initial.rebalance.delay.ms=0\n",
      port_, controller_port, (folder_ / "data").string());
  out.close();
  if (!out) return Fail(Code::kPermissionDenied, "kafka_folder", settings.string());
  if (is_formatted) return {};
  Child::Options options;
  options.log = folder_ / "log";
  BOXOFFICE_TRY(RunChild(
      JavaCommand(class_path, "kafka.tools.StorageTool",
                  {"format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", settings.string(), "--ignore-formatted"}),
      options, kPatience));
  // Last: without it, the next start takes other ports, and leaves data that is formatted already as it is.
  std::ofstream(ports) << port_ << ' ' << controller_port << '\n';
  return {};
}

Result<PrivateKafka> PrivateKafka::Start(const std::filesystem::path& folder, const std::string& class_path) {
  if (access(kJava, X_OK) != 0) return Fail(Code::kUnavailable, "kafka_missing", "Java is not installed");
  if (class_path.empty())
    return Fail(Code::kUnavailable, "kafka_missing", "nobody said where Kafka's jars are");
  PrivateKafka server;
  server.folder_ = std::filesystem::absolute(folder);
  std::error_code error;
  std::filesystem::create_directories(server.folder_, error);
  if (error) {
    return Fail(Code::kPermissionDenied, "kafka_folder",
                fmt::format("{}: {}", server.folder_.string(), error.message()));
  }
  BOXOFFICE_TRY(server.Prepare(class_path));
  if (!AwaitFree(server.port_)) {
    return Fail(
        Code::kUnavailable, "kafka_port_taken",
        fmt::format("another server has port {} of this folder's Kafka: of the folder of which this is "
                    "a copy? Stop it, or remove {}, and with it the events that only Kafka has",
                    server.port_, server.folder_.string()));
  }
  Child::Options options;
  options.log = server.folder_ / "log";
  options.working_dir = server.folder_;
  BOXOFFICE_ASSIGN(
      server.process_,
      Supervised::Start(
          "kafka", JavaCommand(class_path, "kafka.Kafka", {(server.folder_ / "server.properties").string()}),
          options));
  if (server.process_->Await([&server] { return TakesConnections(server.port_); }, kPatience)) return server;
  return Fail(Code::kUnavailable, "kafka_not_started",
              fmt::format("Kafka does not answer; see {}", options.log.string()));
}

std::string PrivateKafka::Address() const { return fmt::format("127.0.0.1:{}", port_); }

void PrivateKafka::Stop(milliseconds limit) { process_->Stop(SIGTERM, SIGKILL, limit); }

}  // namespace boxoffice::servers
