#include "testing/kafka_broker.h"

#include <array>
#include <chrono>
#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include "base/check.h"
#include "testing/free_port.h"

namespace boxoffice::testbed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kJava = "/usr/bin/java";

// A small heap, and a compiler that is done soon: it lives for a minute.
std::vector<std::string> JavaCommand(const std::string& main_class,
                                     const std::vector<std::string>& arguments) {
  std::vector<std::string> command{kJava,
                                   "-Xms64m",
                                   "-Xmx320m",
                                   "-XX:+UseSerialGC",
                                   "-XX:TieredStopAtLevel=1",
                                   "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                                   "-cp",
                                   KafkaBroker::ClassPath(),
                                   main_class};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

}  // namespace

const std::string& KafkaBroker::ClassPath() {
  static const std::string found = [] {
    if (access(kJava, X_OK) != 0) return std::string();
    const Finished run = RunCommand({"/bin/bash", BOXOFFICE_SOURCE_DIR "/tools/dev/kafka.sh"}, seconds(240));
    if (run.exit_code != 0) {
      fmt::print(stderr, "{}", run.err);
      return std::string();
    }
    return run.out.substr(0, run.out.find('\n'));
  }();
  return found;
}

bool KafkaBroker::Installed() { return !ClassPath().empty(); }

KafkaBroker& KafkaBroker::Shared() {
  static KafkaBroker broker;
  return broker;
}

KafkaBroker::KafkaBroker() : port_(FreePort()), controller_port_(FreePort()), bound_port_(FreePort()) {
  CHECK(Installed(), "ask Installed first");
  Certify();
  Format();
  Start();
}

std::string KafkaBroker::address() const { return fmt::format("127.0.0.1:{}", port_); }
std::string KafkaBroker::bound_address() const { return fmt::format("127.0.0.1:{}", bound_port_); }

void KafkaBroker::Certify() {
  const std::filesystem::path key = dir_.path() / "bound.key";
  const Finished run = RunCommand({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                                   "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
                                   "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", bound_authority()},
                                  seconds(60));
  CHECK(run.exit_code == 0, "{}{}", run.out, run.err);
  std::ofstream(dir_.path() / "bound.pem")
      << std::ifstream(key).rdbuf() << std::ifstream(bound_authority()).rdbuf();
}

void KafkaBroker::Format() {
  std::ofstream(dir_.path() / "server.properties")
      << fmt::format(
             "process.roles=broker,controller\nnode.id=1\n"
             "controller.quorum.voters=1@127.0.0.1:{1}\n"
             "listeners=BROKER://127.0.0.1:{0},CONTROLLER://127.0.0.1:{1},BOUND://127.0.0.1:{3}\n"
             "advertised.listeners=BROKER://127.0.0.1:{0},BOUND://127.0.0.1:{3}\n"
             "listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,BOUND:SASL_SSL\n"
             "inter.broker.listener.name=BROKER\ncontroller.listener.names=CONTROLLER\n"
             "log.dirs={2}\n",
             port_, controller_port_, (dir_.path() / "data").string(), bound_port_)
      << fmt::format(
             "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
             "super.users=User:ANONYMOUS\n"
             "listener.name.bound.sasl.enabled.mechanisms=PLAIN\n"
             "listener.name.bound.plain.sasl.jaas.config="
             "org.apache.kafka.common.security.plain.PlainLoginModule required user_{}=\"{}\";\n"
             "listener.name.bound.ssl.keystore.type=PEM\n"
             "listener.name.bound.ssl.keystore.location={}\n",
             kBoundUser, kBoundPassword, (dir_.path() / "bound.pem").string())
      << "auto.create.topics.enable=false\n"
         // One broker, few cores.
         "offsets.topic.replication.factor=1\noffsets.topic.num.partitions=1\n"
         "transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n"
         "share.coordinator.state.topic.replication.factor=1\nshare.coordinator.state.topic.min.isr=1\n"
         "num.network.threads=1\nnum.io.threads=2\nnum.recovery.threads.per.data.dir=2\n"
         "log.cleaner.dedupe.buffer.size=4194304\n"
         // It comes back at once after a kill: its former self is given up in a second.
         "broker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n"
         // Groups form without waiting for more members, and lose one that is silent for a second.
         "group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=1000\n";
  const Finished run =
      RunCommand(JavaCommand("kafka.tools.StorageTool", {"format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c",
                                                         (dir_.path() / "server.properties").string()}),
                 seconds(180));
  CHECK(run.exit_code == 0, "{}{}", run.out, run.err);
}

void KafkaBroker::Start() {
  if (process_) return;
  process_.emplace(JavaCommand("kafka.Kafka", {(dir_.path() / "server.properties").string()}),
                   Process::Options{dir_.path(), dir_.path() / "log"});
  const auto deadline = std::chrono::steady_clock::now() + seconds(180);
  while (!Answers()) {
    CHECK(!process_->Wait(milliseconds(0)), "the broker has ended: {}", Log());
    CHECK(std::chrono::steady_clock::now() < deadline, "the broker does not answer: {}", Log());
    std::this_thread::sleep_for(milliseconds(100));
  }
}

bool KafkaBroker::Answers() const {
  constexpr int kAnswerMs = 2000;
  std::array<char, 512> text{};
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::string brokers = address();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), text.data(), text.size());
  rd_kafka_conf_set_log_cb(conf, nullptr);
  const std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)> client(
      rd_kafka_new(RD_KAFKA_PRODUCER, conf, text.data(), text.size()), &rd_kafka_destroy);
  CHECK(client != nullptr, "{}", text.data());
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client.get(), 1, nullptr, &metadata, kAnswerMs) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return false;
  }
  bool ready = metadata->broker_cnt == 1;
  for (int topic = 0; topic < metadata->topic_cnt; ++topic) {
    for (int part = 0; part < metadata->topics[topic].partition_cnt; ++part) {
      ready = ready && metadata->topics[topic].partitions[part].leader == 1;
    }
  }
  rd_kafka_metadata_destroy(metadata);
  return ready;
}

void KafkaBroker::Kill9() {
  if (!process_) return;
  process_->Signal(SIGKILL);
  CHECK(process_->Wait(seconds(30)), "the kernel kills");
  process_.reset();
}

void KafkaBroker::Freeze() { process_->Signal(SIGSTOP); }
void KafkaBroker::Thaw() { process_->Signal(SIGCONT); }

std::string KafkaBroker::Log() const {
  std::ostringstream text;
  text << std::ifstream(dir_.path() / "log").rdbuf();
  return text.str();
}

}  // namespace boxoffice::testbed
