#include "platform/bus/kafka_producer.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "platform/obs/log.h"

namespace boxoffice::bus::kafka {

using SteadyClock = std::chrono::steady_clock;

// Guarded by the producer's mutex.
struct Producer::Call {
  size_t open = 0;    // messages without an answer
  size_t failed = 0;  // index of the first that failed, if `error` is set
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
};

struct Producer::Slot {
  Call* call = nullptr;
  size_t index = 0;
};

// A client of librdkafka, and the thread that hands out its delivery reports.
struct Producer::Connection {
  explicit Connection(Client opened)
      : client(std::move(opened)), poller([this](const std::stop_token& stop) {
          constexpr int kLongestPollMs = 100;
          while (!stop.stop_requested()) rd_kafka_poll(client.get(), kLongestPollMs);
        }) {}
  ~Connection() { End(); }

  // From then on no report comes, and nothing is sent.
  void End() {
    if (!client) return;
    poller.request_stop();
    const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_get_main(client.get()));
    rd_kafka_queue_yield(queue.get());
    poller.join();
    rd_kafka_purge(client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    topics.clear();
    client.reset();
  }

  Client client;
  // Guarded by the producer's mutex.
  std::map<std::string, Owned<rd_kafka_topic_t>> topics;  // that were sent to
  int users = 0;                                          // calls of Send that have not left
  bool failed = false;                                    // takes no more messages
  bool ended = false;
  std::jthread poller;  // last: it uses `client`
};

Result<std::unique_ptr<Producer>> Producer::Open(const KafkaBusConfig& config) {
  std::unique_ptr<Producer> producer(new Producer(config));
  BOXOFFICE_TRY(producer->Connect());  // a bad setting is found at the start
  return producer;
}

Producer::~Producer() = default;

Result<std::shared_ptr<Producer::Connection>> Producer::Connect() {
  const std::scoped_lock lock(mutex_);
  if (!connection_) {
    const Settings settings{{"enable.idempotence", "true"},
                            {"acks", "all"},
                            {"linger.ms", fmt::format("{}", config_.linger.count())},
                            {"message.timeout.ms", "0"},  // see the header
                            {"partitioner", "murmur2"},
                            // One that does not answer is given up in time to ask again.
                            {"socket.timeout.ms", fmt::format("{}", config_.publish_timeout.count())}};
    BOXOFFICE_ASSIGN(Client client, NewClient(RD_KAFKA_PRODUCER, config_, settings, [this](auto* conf) {
                       rd_kafka_conf_set_opaque(conf, this);
                       rd_kafka_conf_set_dr_msg_cb(conf, &Delivered);
                     }));
    connection_ = std::make_shared<Connection>(std::move(client));
  }
  return connection_;
}

void Producer::Delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
  auto& producer = *static_cast<Producer*>(self);
  const Slot& slot = *static_cast<const Slot*>(message->_private);
  const std::scoped_lock lock(producer.mutex_);
  Call& call = *slot.call;
  if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
      (call.error == RD_KAFKA_RESP_ERR_NO_ERROR || slot.index < call.failed)) {
    call.error = message->err;
    call.failed = slot.index;
  }
  if (--call.open == 0) producer.changed_.notify_all();
}

Result<void> Producer::Send(std::span<Outgoing> messages) {
  if (messages.empty()) return {};
  const auto deadline = SteadyClock::now() + config_.publish_timeout;
  std::shared_ptr<Connection> connection;
  do {
    BOXOFFICE_ASSIGN(connection, Connect());
    const std::scoped_lock lock(mutex_);
    if (connection->failed) connection.reset();  // between the two locks
    if (connection) ++connection->users;
  } while (!connection);

  Call call;
  std::vector<Slot> slots(messages.size());
  Result<void> sent;
  for (size_t i = 0; i < messages.size() && sent; ++i) {
    slots[i] = {&call, i};
    sent = Produce(*connection, messages[i], slots[i], deadline);
  }
  const Result<void> collected = Collect(connection, call, messages, deadline);
  return sent ? collected : sent;
}

Result<void> Producer::Produce(Connection& connection, Outgoing& message, Slot& slot,
                               SteadyClock::time_point deadline) {
  rd_kafka_topic_t* topic = nullptr;
  {
    const std::scoped_lock lock(mutex_);
    // Made by its name, a topic is looked up at once; merely produced to, by a timer within a second.
    auto& known = connection.topics[message.topic];
    if (!known) known.reset(rd_kafka_topic_new(connection.client.get(), message.topic.c_str(), nullptr));
    topic = known.get();
    if (topic == nullptr) return Failed(rd_kafka_last_error(), message.name);
    ++slot.call->open;
  }
  std::array<rd_kafka_vu_t, 7> fields{};
  size_t count = 0;
  const auto next = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    fields[count].vtype = type;
    return fields[count++];
  };
  next(RD_KAFKA_VTYPE_RKT).u.rkt = topic;
  next(RD_KAFKA_VTYPE_PARTITION).u.i32 = message.partition;
  auto& key = next(RD_KAFKA_VTYPE_KEY).u.mem;
  key = {message.key.data(), message.key.size()};
  if (message.value) {
    auto& value = next(RD_KAFKA_VTYPE_VALUE).u.mem;
    // An empty value is one; a null is none.
    value = {message.value->empty() ? const_cast<char*>("") : const_cast<char*>(message.value->data()),
             message.value->size()};
  }
  next(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  next(RD_KAFKA_VTYPE_OPAQUE).u.ptr = &slot;
  if (message.headers) next(RD_KAFKA_VTYPE_HEADERS).u.headers = message.headers.get();
  while (true) {
    const Owned<rd_kafka_error_t> refused(rd_kafka_produceva(connection.client.get(), fields.data(), count));
    if (!refused) {
      (void)message.headers.release();  // now the client's
      return {};
    }
    const rd_kafka_resp_err_t error = rd_kafka_error_code(refused.get());
    std::unique_lock lock(mutex_);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !connection.failed && SteadyClock::now() < deadline) {
      constexpr milliseconds kUntilThereIsRoom{5};
      changed_.wait_for(lock, kUntilThereIsRoom);
      continue;
    }
    --slot.call->open;
    return Failed(error, message.name);
  }
}

Result<void> Producer::Collect(const std::shared_ptr<Connection>& connection, const Call& call,
                               std::span<const Outgoing> messages, SteadyClock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return call.open == 0 || connection->failed; });
  const bool complete = call.open == 0;
  if (!complete || rd_kafka_fatal_error(connection->client.get(), nullptr, 0) != 0) {
    GiveUp(connection);
  }
  const rd_kafka_resp_err_t error = call.error;
  const size_t failed = call.failed;
  Leave(lock, connection);
  // Reports refer to the call: it waits for the end of what would send them.
  if (!complete) changed_.wait(lock, [&] { return connection->ended; });
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return Failed(error, messages[failed].name);
  if (complete) return {};
  return Failed(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, messages[0].name);
}

void Producer::GiveUp(const std::shared_ptr<Connection>& connection) {
  if (std::exchange(connection->failed, true)) return;
  if (connection_ == connection) connection_.reset();
  obs::Log(obs::Level::kWarning, "kafka_producer_given_up", {{"calls", connection->users}});
  changed_.notify_all();
}

void Producer::Leave(std::unique_lock<std::mutex>& lock, const std::shared_ptr<Connection>& connection) {
  if (--connection->users > 0 || !connection->failed) return;
  lock.unlock();  // a report on its way takes it
  connection->End();
  lock.lock();
  connection->ended = true;
  changed_.notify_all();
}

}  // namespace boxoffice::bus::kafka
