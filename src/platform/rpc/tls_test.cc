// Who is let in: mutual TLS, and the table of who may call what.
#include "platform/rpc/tls.h"

#include <fstream>
#include <future>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <sys/stat.h>

#include "platform/rpc/certificates.h"
#include "platform/rpc/command_client.h"
#include "platform/rpc/fake_wallet_for_test.h"
#include "platform/rpc/host.h"
#include "testing/temp_dir.h"
#include "testing/wait.h"

namespace boxoffice::rpc {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::HasSubstr;
using Client = CommandClient<wallet::CommandBatch, wallet::OutcomeBatch>;

constexpr const char* kEdges = "services/reservation calls WalletService\ngateway calls SeatService\n";

std::shared_ptr<const Tls> Load(const std::filesystem::path& dir, const std::string& service) {
  auto tls = Tls::Load({service, dir / "ca.crt", dir / (service + ".crt"), dir / (service + ".key")});
  EXPECT_TRUE(tls) << tls.error().detail;
  return *tls;
}

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::string> services = {"wallet", "reservation", "gateway", "seat"};
    ASSERT_TRUE(MakeDevelopmentCertificates(certs(), services));
    address_ = "unix:" + (dir_.path() / "s").string();
    ASSERT_TRUE(host_.Start(service_, Listen({address_}, Load(certs(), "wallet"), table_)));
  }
  void TearDown() override {
    host_.Shutdown(0ms);
    work_.reset();
    thread_.join();
  }
  std::filesystem::path certs() const { return dir_.path() / "certs"; }

  std::shared_ptr<grpc::Channel> As(const std::string& service) {
    return NetworkChannel(address_, "wallet", Load(certs(), service).get());
  }
  // With whatever certificate, or none, as a stranger would.
  std::shared_ptr<grpc::Channel> With(const PemPair& own) {
    std::ifstream file(certs() / "ca.crt");
    const std::string ca((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    grpc::ChannelArguments arguments = ChannelArguments();
    arguments.SetSslTargetNameOverride(ServerName("wallet"));
    return grpc::CreateCustomChannel(address_, grpc::SslCredentials({ca, own.key, own.certificate}),
                                     arguments);
  }

  Result<wallet::Wallet> Query(const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = wallet::WalletService::NewStub(channel);
    OpenCalls calls;
    auto ask = [&]() -> asio::awaitable<Result<wallet::Wallet>> {
      wallet::GetWalletRequest request;
      request.set_user_id("ada");
      auto start = [&](auto... arguments) { stub->async()->GetWallet(arguments...); };
      co_return co_await Call<wallet::Wallet>(io_.get_executor(), calls, request, 20s, start);
    };
    return asio::co_spawn(io_, ask, asio::use_future).get();
  }
  Result<wallet::Outcome> Command(const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = wallet::WalletService::NewStub(channel);
    Client client(
        "test", io_.get_executor(),
        [&](auto* context, auto* reactor) { stub->async()->Execute(context, reactor); }, metrics_);
    std::promise<Result<wallet::Outcome>> promise;
    client.Send(TopUp(7), 20s, [&](Result<wallet::Outcome> r) { promise.set_value(std::move(r)); });
    return promise.get_future().get();
  }
  // What is logged while it is refused, for a query and for a command.
  std::string Refused(const std::shared_ptr<grpc::Channel>& channel) {
    testing::internal::CaptureStderr();
    EXPECT_FALSE(Query(channel));
    EXPECT_FALSE(Command(channel));
    EXPECT_EQ(received_, 0);
    return testing::internal::GetCapturedStderr();
  }

  const testbed::TempDir dir_;
  const CallerTable table_ = CallerTable::Parse(kEdges);
  std::atomic<int> received_{0};
  FakeService service_{[this](wallet::Command command, Intake::Reply reply) {
    ++received_;
    Echo(std::move(command), std::move(reply));
  }};
  Host host_;
  std::string address_;
  obs::Registry metrics_;
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_{[this] { io_.run(); }};
};

TEST_F(TlsTest, WhoMayCallIsAnswered) {
  const auto channel = As("reservation");
  const auto found = Query(channel);
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->user_id(), "ada");
  EXPECT_EQ(Command(channel)->wallet().balance().amount(), 7);
}

TEST_F(TlsTest, AnotherServicesCertificateIsRefusedAndLogged) {
  const auto channel = As("gateway");
  EXPECT_EQ(Query(channel).error().code, Code::kPermissionDenied);
  EXPECT_EQ(Query(channel).error().reason, "caller_refused");
  EXPECT_THAT(Refused(channel),
              AllOf(HasSubstr("rpc_refused"), HasSubstr("spiffe://boxoffice/gateway"),
                    HasSubstr("WalletService/GetWallet"), HasSubstr("WalletService/Execute")));
}

TEST_F(TlsTest, ARoomCallsAsItselfFromAnotherServicesProcess) {
  const auto where = [this](std::string_view) { return address_; };
  const ChannelFactory of_the_process = ChannelFactory::Network(where, Load(certs(), "gateway"));
  EXPECT_EQ(Query(of_the_process("wallet")).error().reason, "caller_refused");
  const auto of_the_room =
      of_the_process.As("reservation", certs() / "reservation.crt", certs() / "reservation.key");
  ASSERT_TRUE(of_the_room) << of_the_room.error().detail;
  EXPECT_TRUE(Query((*of_the_room)("wallet")));
  EXPECT_EQ(
      of_the_process.As("reservation", certs() / "reservation.crt", certs() / "gateway.key").error().reason,
      "tls_key_mismatch");
  EXPECT_FALSE(ChannelFactory::Network(where).HasTls());
}

TEST_F(TlsTest, NoCertificateIsRefusedAndLogged) {
  EXPECT_THAT(Refused(With({})), AllOf(HasSubstr("tls_refused"), HasSubstr("did not return a certificate")));
}

TEST_F(TlsTest, AnExpiredCertificateIsRefusedAndLogged) {
  // A new authority, so that its key is at hand, for both ends.
  const auto authority = CertificateAuthority::Make();
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  host_.Shutdown(0ms);
  const auto server = authority->Issue("wallet");
  std::ofstream(certs() / "ca.crt") << authority->pem().certificate;
  std::ofstream(certs() / "wallet.crt") << server->certificate;
  std::ofstream(certs() / "wallet.key") << server->key;
  Host host;
  ASSERT_TRUE(host.Start(service_, Listen({address_}, Load(certs(), "wallet"), table_)));
  EXPECT_TRUE(Query(With(*authority->Issue("reservation"))));
  const auto expired = authority->Issue("reservation", now - 2h, 1h);
  EXPECT_THAT(Refused(With(*expired)),
              AllOf(HasSubstr("tls_refused"), HasSubstr("certificate verify failed")));
}

TEST_F(TlsTest, ACertificateOfAnUnknownAuthorityIsRefusedAndLogged) {
  const auto stranger = CertificateAuthority::Make()->Issue("reservation");
  EXPECT_THAT(Refused(With(*stranger)),
              AllOf(HasSubstr("tls_refused"), HasSubstr("certificate verify failed")));
}

TEST_F(TlsTest, PlainTextIsRefused) {
  EXPECT_FALSE(Query(NetworkChannel(address_)));
  EXPECT_EQ(received_, 0);
}

TEST_F(TlsTest, ACallerRefusesAServerThatIsAnotherService) {
  EXPECT_FALSE(Query(NetworkChannel(address_, "seat", Load(certs(), "reservation").get())));
}

TEST_F(TlsTest, FilesThatDontFitAreRefusedAtTheStart) {
  const auto load = [&](const char* ca, const char* certificate, const char* key) {
    const auto tls = Tls::Load({"seat", certs() / ca, certs() / certificate, certs() / key});
    return tls ? std::string() : tls.error().reason;
  };
  EXPECT_EQ(load("ca.crt", "seat.crt", "seat.key"), "");
  EXPECT_EQ(load("ca.crt", "seat.crt", "wallet.key"), "tls_key_mismatch");
  EXPECT_EQ(load("ca.crt", "seat.key", "seat.key"), "tls_file");
  EXPECT_EQ(load("ca.crt", "seat.crt", "none.key"), "tls_file");
  const auto expired = CertificateAuthority::Make()->Issue(
      "seat", std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) - 2h, 1h);
  std::ofstream(certs() / "old.crt") << expired->certificate;
  std::ofstream(certs() / "old.key") << expired->key;
  EXPECT_EQ(load("ca.crt", "old.crt", "old.key"), "tls_expired");
  const auto stranger = CertificateAuthority::Make()->Issue("seat");
  std::ofstream(certs() / "strange.crt") << stranger->certificate;
  std::ofstream(certs() / "strange.key") << stranger->key;
  EXPECT_EQ(load("ca.crt", "strange.crt", "strange.key"), "tls_untrusted");
  std::ofstream(certs() / "half.crt") << stranger->certificate.substr(0, stranger->certificate.size() / 2);
  EXPECT_EQ(load("half.crt", "seat.crt", "seat.key"), "tls_file");
}

// It would be ready, and nobody could call it.
TEST_F(TlsTest, TheCertificateOfAnotherServiceIsRefusedAtTheStart) {
  const auto refused =
      Tls::Load({"seat", certs() / "ca.crt", certs() / "wallet.crt", certs() / "wallet.key"});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "tls_other_service");
  EXPECT_THAT(refused.error().detail, HasSubstr("wallet.crt is of the service \"wallet\", this is \"seat\""));
}

TEST_F(TlsTest, KeysAreTheirOwnersAlone) {
  struct stat info{};
  ASSERT_EQ(stat((certs() / "wallet.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const std::vector<std::string> services = {"wallet"};
  EXPECT_EQ(MakeDevelopmentCertificates(certs(), services).error().reason, "certificates_exist");
}

// A wallet whose certificate is exchanged while it is called.
class TlsExchangeTest : public TlsTest {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(certs());
    Write("ca.crt", old_->pem().certificate);
    WritePair("wallet", *old_->Issue("wallet"));
    WritePair("reservation", *old_->Issue("reservation"));
    address_ = "unix:" + (dir_.path() / "s").string();
    auto tls = Tls::Load(FilesOf("wallet"), &of_wallet_);
    ASSERT_TRUE(tls) << tls.error().detail;
    ASSERT_TRUE(host_.Start(service_, Listen({address_}, *tls, table_)));
    server_ = *std::move(tls);
  }

  TlsConfig FilesOf(const std::string& service) const {
    return {service, certs() / "ca.crt", certs() / (service + ".crt"), certs() / (service + ".key")};
  }
  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(certs() / file, std::ios::trunc) << text;
  }
  void WritePair(const std::string& service, const PemPair& pair) const {
    Write(service + ".key", pair.key);
    Write(service + ".crt", pair.certificate);
  }
  // Whether the wallet lets somebody in on a new connection who shows `own` and trusts nobody but
  // `authority`.
  bool LetsIn(const CertificateAuthority& authority, const PemPair& own) {
    grpc::ChannelArguments arguments = ChannelArguments();
    arguments.SetSslTargetNameOverride(ServerName("wallet"));
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return Query(grpc::CreateCustomChannel(
                     address_, grpc::SslCredentials({authority.pem().certificate, own.key, own.certificate}),
                     arguments))
        .has_value();
  }
  static uint64_t Reloads(obs::Registry& metrics, const std::string& service, const std::string& outcome) {
    return metrics.GetCounter("boxoffice_tls_reloads_total", "", {{"service", service}, {"outcome", outcome}})
        .value();
  }
  double Refuses() {
    return of_wallet_.GetGauge("boxoffice_tls_files_refused", "", {{"service", "wallet"}}).value();
  }

  const Result<CertificateAuthority> old_ = CertificateAuthority::Make();
  const Result<CertificateAuthority> new_ = CertificateAuthority::Make();
  obs::Registry of_wallet_;
  std::shared_ptr<const Tls> server_;
};

TEST_F(TlsExchangeTest, CertificatesAndTheAuthorityAreExchangedWhileCallsAreMadeAndNoneFails) {
  obs::Registry of_client;
  const auto client = Tls::Load(FilesOf("reservation"), &of_client);
  ASSERT_TRUE(client) << client.error().detail;
  const ChannelFactory factory = ChannelFactory::Network([this](auto) { return address_; }, *client);
  std::atomic<int> calls{0};
  std::atomic<int> failures{0};
  std::jthread caller([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      // One on the old connection, one on a connection of its own.
      failures += Query(factory("wallet")) ? 0 : 1;
      failures += Query(NetworkChannel(address_, "wallet", client->get())) ? 0 : 1;
      calls += 2;
    }
  });
  const auto both_took = [&](uint64_t times) {
    return testbed::Eventually([&] {
      return Reloads(of_wallet_, "wallet", "taken") >= times &&
             Reloads(of_client, "reservation", "taken") >= times;
    });
  };
  const auto newcomer = new_->Issue("reservation");
  EXPECT_FALSE(LetsIn(*new_, *newcomer));

  // As the guide says: both authorities are trusted, then certificates are exchanged, then the old one goes.
  Write("ca.crt", old_->pem().certificate + new_->pem().certificate);
  ASSERT_TRUE(both_took(1));
  WritePair("wallet", *new_->Issue("wallet"));
  WritePair("reservation", *new_->Issue("reservation"));
  ASSERT_TRUE(both_took(2));
  EXPECT_TRUE(testbed::Eventually([&] { return LetsIn(*new_, *newcomer); }))
      << "it shows the new certificate";
  Write("ca.crt", new_->pem().certificate);
  ASSERT_TRUE(both_took(3));
  const auto late = old_->Issue("reservation");
  const auto trusts_new_shows_old = [&] { return LetsIn(*new_, *late); };
  EXPECT_TRUE(testbed::Eventually([&] { return !trusts_new_shows_old(); }))
      << "the old authority is not trusted";

  caller.request_stop();
  caller.join();
  EXPECT_GT(calls, 10);
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(Refuses(), 0);
  const double ends =
      of_wallet_.GetGauge("boxoffice_tls_certificate_end_timestamp_seconds", "", {{"service", "wallet"}})
          .value();
  const auto in_a_year = std::chrono::system_clock::now() + kCertificateLifetime;
  EXPECT_NEAR(ends, std::chrono::duration<double>(in_a_year.time_since_epoch()).count(), 3'600);
}

TEST_F(TlsExchangeTest, FilesThatWouldNotWorkChangeNothingAndAreLoggedAndShown) {
  const auto own = old_->Issue("reservation");
  const auto next = old_->Issue("wallet");
  const auto refused_with = [&](const std::string& reason) {
    testing::internal::CaptureStderr();
    const uint64_t before = Reloads(of_wallet_, "wallet", "refused");
    EXPECT_TRUE(testbed::Eventually([&] { return Reloads(of_wallet_, "wallet", "refused") > before; }))
        << reason;
    EXPECT_EQ(Refuses(), 1);
    testbed::Pause(1'500ms);  // in which gRPC would have looked at it
    EXPECT_TRUE(LetsIn(*old_, *own)) << reason;
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("tls_files_refused"), HasSubstr(reason)));
  };
  Write("wallet.key", next->key);
  refused_with("tls_key_mismatch");
  Write("wallet.crt", next->certificate.substr(0, next->certificate.size() / 2));
  refused_with("tls_file");
  WritePair("wallet", *old_->Issue("seat"));
  refused_with("tls_other_service");
  WritePair("wallet", *new_->Issue("wallet"));
  refused_with("tls_untrusted");
  EXPECT_EQ(Reloads(of_wallet_, "wallet", "taken"), 0U);
  WritePair("wallet", *next);
  EXPECT_TRUE(testbed::Eventually([&] { return Reloads(of_wallet_, "wallet", "taken") == 1; }));
  EXPECT_EQ(Refuses(), 0);
  EXPECT_TRUE(LetsIn(*old_, *own));
}

TEST_F(TlsExchangeTest, WhatIsStillBeingWrittenIsNotTaken) {
  const auto end = std::chrono::steady_clock::now() + 5s;
  std::string text = old_->pem().certificate;
  while (std::chrono::steady_clock::now() < end) {
    text += "still being written\n";
    Write("ca.crt", text);
    testbed::Pause(20ms);
  }
  EXPECT_LE(Reloads(of_wallet_, "wallet", "taken"), 1U) << "it changed at nearly every look";
  EXPECT_TRUE(testbed::Eventually([&] { return Reloads(of_wallet_, "wallet", "taken") > 0; }));
}

TEST(CallerTableTest, IsTheGoldenList) {
  const CallerTable& table = CallerTable::Declared();
  EXPECT_TRUE(table.Allows("reservation", "PaymentService"));
  EXPECT_FALSE(table.Allows("seat", "PaymentService")) << "a participant asks no other one";
  EXPECT_FALSE(table.Allows("", ""));
  EXPECT_THAT(table.Services(), testing::IsSupersetOf({"audit", "gateway", "payment", "queue", "ranking",
                                                       "relay", "reservation", "seat", "wallet"}));
}

TEST(CallerTableTest, ReadsWhoCallsWhomAndNothingElse) {
  const CallerTable table =
      CallerTable::Parse("# x calls YService\nservices/a calls BService\nc produces d\n");
  EXPECT_TRUE(table.Allows("a", "BService"));
  EXPECT_FALSE(table.Allows("x", "YService"));
  EXPECT_THAT(table.Services(), testing::ElementsAre("a", "b"));
}

}  // namespace
}  // namespace boxoffice::rpc
