// Services as processes with certificates by `boxoffice certs`: who has none, or another service's, or
// another authority's, is refused, and the log says so.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/clock.h"
#include "e2e/service.h"
#include "e2e/system.h"
#include "platform/auth/development.h"

namespace boxoffice::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class MutualTls : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeCertificates(dir_.path() / "certs");
    wallet_address_ = fmt::format("127.0.0.1:{}", FreePort());
    wallet_.emplace("wallet", Folder("wallet"), With("wallet", {"--listen=" + wallet_address_}));
    ASSERT_TRUE(wallet_->ready()) << wallet_->Log();
  }

  static void MakeCertificates(const std::filesystem::path& out) {
    const Finished made = RunCommand({BinDir() / "boxoffice", "certs", "--out", out}, seconds(60));
    ASSERT_EQ(made.exit_code, 0) << made.err;
  }
  std::filesystem::path Folder(const std::string& name) const {
    const auto folder = dir_.path() / name;
    std::filesystem::create_directories(folder / "data");
    return folder;
  }
  // The flags, and those of this service's certificate in a folder of them.
  std::vector<std::string> With(const std::string& certificate, std::vector<std::string> flags,
                                const std::string& certs = "certs") const {
    const auto folder = dir_.path() / certs;
    for (const auto& [key, file] : {std::pair("ca", std::string("ca.crt")),
                                    {"certificate", certificate + ".crt"},
                                    {"key", certificate + ".key"}}) {
      flags.push_back(fmt::format("--tls-{}-file={}", key, (folder / file).string()));
    }
    flags.emplace_back("--drain-notice-ms=0");
    return flags;
  }
  // What a buyer is told of the wallet by a gateway with these flags, in a data folder of this name. A
  // connection that comes up later, as on a busy machine, is 503 too: this answer counts only once `refused`
  // tells that the gateway has tried and was refused.
  Reply WalletBy(const std::string& name, std::vector<std::string> flags, const std::string& peer,
                 const std::function<bool(const Service& gateway)>& refused = {}) const {
    const uint16_t port = FreePort();
    flags.push_back(fmt::format("--listen=127.0.0.1:{}", port));
    flags.push_back("--peer-wallet=" + peer);
    flags.emplace_back("--audit-interval-ms=0");
    // The auditor of its process has to show its own, too; here it asks nobody.
    for (const std::string& flag : std::vector(flags)) {
      if (!flag.starts_with("--tls-certificate") && !flag.starts_with("--tls-key")) continue;
      std::filesystem::path file(flag.substr(std::string("--tls").size()));
      flags.push_back("--audit" + file.replace_filename("audit" + file.extension().string()).string());
    }
    const auto folder = Folder(name);
    Service gateway("gateway", folder, flags);
    EXPECT_TRUE(gateway.ready()) << gateway.Log();
    const SystemClock clock;
    const auto issuer =
        auth::TokenIssuer::Make(auth::DevelopmentTokens(folder / "data").value(), clock).value();
    Buyer buyer(port, "mina", issuer.Issue("mina", auth::Role::kBuyer, seconds(600)).value());
    Reply reply;
    EXPECT_TRUE(Eventually([&] {
      reply = buyer.Call("GET", "/v1/wallet");
      return reply.status != 503 || (refused && refused(gateway));
    })) << reply
        << gateway.Log();
    return reply;
  }
  [[nodiscard]] std::string Text(const std::string& file) const {
    std::ifstream in(dir_.path() / file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Append(const std::string& file, const std::string& text) const {
    std::ofstream(dir_.path() / file, std::ios::app) << text;
  }
  // What an operator does with cp.
  void Copy(const std::string& from, const std::string& to) const {
    std::ofstream(dir_.path() / to, std::ios::trunc) << Text(from);
  }
  // A line of what the wallet tells a Prometheus.
  [[nodiscard]] bool WalletShows(const std::string& line) const {
    return Eventually([&] { return wallet_->Admin("/metrics").text.contains(line); }, seconds(60));
  }
  // Whether somebody who trusts the authority of `folder` alone finds the wallet's certificate to be of it.
  [[nodiscard]] bool WalletIsOf(const std::string& folder) const {
    const Finished client = RunCommand(
        {"/usr/bin/openssl", "s_client", "-connect", wallet_address_, "-alpn", "h2", "-CAfile",
         dir_.path() / folder / "ca.crt", "-servername", "wallet.boxoffice", "-verify_return_error"},
        seconds(60));
    return (client.out + client.err).contains("Verification: OK");
  }
  [[nodiscard]] bool WalletLogs(const std::string& text) const {
    return Eventually([&] { return wallet_->Log().contains(text); });
  }

  const testbed::TempDir dir_;
  std::string wallet_address_;
  std::optional<Service> wallet_;
};

TEST_F(MutualTls, TheServiceThatMayCallIsAnswered) {
  const Reply reply = WalletBy("gateway", With("gateway", {}), wallet_address_);
  EXPECT_EQ(reply.status, 200) << reply << wallet_->Log();
  EXPECT_THAT(wallet_->Log(), Not(HasSubstr("refused")));
}

TEST_F(MutualTls, AClientWithoutACertificateIsRefusedAndLogged) {
  // Nothing but the handshake of somebody who trusts the authority, and has nothing to show.
  const Finished client =
      RunCommand({"/usr/bin/openssl", "s_client", "-connect", wallet_address_, "-alpn", "h2", "-CAfile",
                  dir_.path() / "certs/ca.crt", "-servername", "wallet.boxoffice", "-verify_return_error"},
                 seconds(60));
  EXPECT_THAT(client.out + client.err, HasSubstr("Verification: OK")) << "the wallet is the wallet";
  EXPECT_TRUE(WalletLogs("tls_refused")) << wallet_->Log();
  EXPECT_THAT(wallet_->Log(), HasSubstr("did not return a certificate"));
  // What OpenSSL says of bytes that are no TLS.
  const Reply reply = WalletBy("plain", {"--drain-notice-ms=0"}, wallet_address_, [this](const Service&) {
    return wallet_->Log().contains("wrong version number");
  });
  EXPECT_EQ(reply.status, 503) << "plain text is not answered: " << reply;
}

// It would be ready, and nobody would believe it.
TEST_F(MutualTls, AServiceWithAnotherOnesCertificateDoesNotStart) {
  std::vector<std::string> words = With("ranking", {});
  words.insert(words.begin(),
               {BinDir() / "boxoffice", "serve", "seat", "--data", Folder("disguised") / "data"});
  const Finished run = RunCommand(words, seconds(60));
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("is of the service \"ranking\", this is \"seat\" (tls_other_service)"));
}

TEST_F(MutualTls, ACertificateOfAnotherAuthorityIsRefusedAndLogged) {
  MakeCertificates(dir_.path() / "strange");
  // It trusts the wallet's authority too, so that it is the wallet who refuses.
  Append("strange/ca.crt", Text("certs/ca.crt"));
  const Reply reply =
      WalletBy("stranger", With("gateway", {}, "strange"), wallet_address_,
               [this](const Service&) { return wallet_->Log().contains("certificate verify failed"); });
  EXPECT_EQ(reply.status, 503) << reply;
  EXPECT_TRUE(WalletLogs("tls_refused")) << wallet_->Log();
  EXPECT_THAT(wallet_->Log(), HasSubstr("certificate verify failed"));
}

TEST_F(MutualTls, TheAuthorityIsExchangedWhileBuyersAreServedAndNobodyNotices) {
  MakeCertificates(dir_.path() / "next");
  const auto folder = Folder("gateway");
  const uint16_t port = FreePort();
  const Service gateway(
      "gateway", folder,
      With("gateway",
           {fmt::format("--listen=127.0.0.1:{}", port), "--peer-wallet=" + wallet_address_,
            "--call-query-timeout-ms=6000",  // a machine that stands still is no refusal
            "--audit-interval-ms=0", "--audit-certificate-file=" + (dir_.path() / "certs/audit.crt").string(),
            "--audit-key-file=" + (dir_.path() / "certs/audit.key").string()}));
  ASSERT_TRUE(gateway.ready()) << gateway.Log();
  const SystemClock clock;
  const auto issuer =
      auth::TokenIssuer::Make(auth::DevelopmentTokens(folder / "data").value(), clock).value();
  const auto token = issuer.Issue("mina", auth::Role::kBuyer, seconds(600)).value();
  ASSERT_TRUE(Eventually([&] { return Buyer(port, "mina", token).Call("GET", "/v1/wallet").status == 200; }));
  std::atomic<int> served{0};
  std::atomic<int> failed{0};
  std::jthread buyer([&](const std::stop_token& stop) {
    Buyer mina(port, "mina", token);
    while (!stop.stop_requested()) {
      ++(mina.Call("GET", "/v1/wallet").status == 200 ? served : failed);
      std::this_thread::sleep_for(milliseconds(5));  // within what a user may ask in a minute
    }
  });

  const auto taken = [&](int times) {
    const auto line = [&](const char* service) {
      return fmt::format(R"(boxoffice_tls_reloads_total{{service="{}",outcome="taken"}} {})", service, times);
    };
    const auto gateway_shows = [&] {
      const std::string metrics = gateway.Admin("/metrics").text;
      return metrics.contains(line("gateway")) && metrics.contains(line("audit"));
    };
    return WalletShows(line("wallet")) && Eventually(gateway_shows, seconds(60));
  };
  Append("certs/ca.crt", Text("next/ca.crt"));
  ASSERT_TRUE(taken(1)) << wallet_->Log() << gateway.Log();
  EXPECT_FALSE(WalletIsOf("next"));
  // A key alone does not fit, and changes nothing.
  Copy("next/wallet.key", "certs/wallet.key");
  EXPECT_TRUE(WalletShows("boxoffice_tls_files_refused{service=\"wallet\"} 1\n"));
  EXPECT_TRUE(WalletLogs("tls_key_mismatch"));
  Copy("next/wallet.crt", "certs/wallet.crt");
  for (const std::string name : {"gateway", "audit"}) {
    Copy("next/" + name + ".key", "certs/" + name + ".key");
    Copy("next/" + name + ".crt", "certs/" + name + ".crt");
  }
  ASSERT_TRUE(taken(2)) << wallet_->Log() << gateway.Log();
  EXPECT_TRUE(Eventually([&] { return WalletIsOf("next"); })) << "what it shows now";
  Copy("next/ca.crt", "certs/ca.crt");
  ASSERT_TRUE(taken(3)) << wallet_->Log() << gateway.Log();
  buyer.request_stop();
  buyer.join();
  EXPECT_GT(served, 20);
  EXPECT_EQ(failed, 0) << gateway.Log();
  // The gateway comes back on new connections with what it shows now.
  wallet_.reset();
  wallet_.emplace("wallet", Folder("wallet"), With("wallet", {"--listen=" + wallet_address_}));
  EXPECT_TRUE(Eventually([&] { return Buyer(port, "mina", token).Call("GET", "/v1/wallet").status == 200; }));
}

TEST_F(MutualTls, ACallerRefusesAServerThatIsAnotherService) {
  const std::string address = fmt::format("127.0.0.1:{}", FreePort());
  Service impostor("relay", Folder("impostor"), With("relay", {"--listen=" + address}));
  ASSERT_TRUE(impostor.ready()) << impostor.Log();
  // Why it does not connect, a caller's gRPC tells only so.
  setenv("GRPC_VERBOSITY", "DEBUG", /*overwrite=*/1);
  const Reply reply = WalletBy(
      "gateway", With("gateway", {"--log-level=debug"}), address,
      [](const Service& gateway) { return gateway.Log().contains("Hostname Verification Check failed"); });
  unsetenv("GRPC_VERBOSITY");
  EXPECT_EQ(reply.status, 503) << reply;
}

}  // namespace
}  // namespace boxoffice::e2e
