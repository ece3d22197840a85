#include "platform/http/authorities.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/check.h"
#include "platform/http/client.h"
#include "platform/http/server_fixture.h"
#include "testing/temp_dir.h"

// "localhost." is here, also where no DNS says so: the names of /etc/hosts have no dot of the root.
extern "C" int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found) {
  static const auto system = reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  const bool is_here = host != nullptr && std::string_view(host) == "localhost.";
  return system(is_here ? "127.0.0.1" : host, service, hints, found);
}

namespace boxoffice::http {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using std::chrono::steady_clock;

// A server of https at 127.0.0.1, whose certificate is its own authority.
class TlsServer {
 public:
  TlsServer() {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    X509* certificate = certificate_.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -300);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86'400);
    X509_set_pubkey(certificate, key.get());
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("test"), -1,
                               -1, 0);
    X509_set_issuer_name(certificate, name);
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* address =
        X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
    CHECK(address != nullptr && X509_add_ext(certificate, address, -1) == 1);
    X509_EXTENSION_free(address);
    CHECK(X509_sign(certificate, key.get(), EVP_sha256()) != 0);
    CHECK(SSL_CTX_use_certificate(tls_.native_handle(), certificate) == 1);
    CHECK(SSL_CTX_use_PrivateKey(tls_.native_handle(), key.get()) == 1);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TlsServer() {
    stopping_ = true;
    boost::system::error_code ignored;
    tcp::socket last(io_);
    last.connect(acceptor_.local_endpoint(), ignored);
    thread_.join();
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  [[nodiscard]] ClientRequest Request(std::string_view host = "127.0.0.1") const {
    ClientRequest request;
    request.url = fmt::format("https://{}:{}/", host, acceptor_.local_endpoint().port());
    return request;
  }
  // The name that the last client asked for (SNI).
  [[nodiscard]] std::string asked_name() {
    const std::scoped_lock lock(mutex_);
    return asked_name_;
  }
  void WriteCertificate(const std::string& path) const {
    BIO* file = BIO_new_file(path.c_str(), "w");
    CHECK(file != nullptr && PEM_write_bio_X509(file, certificate_.get()) == 1);
    BIO_free(file);
  }

 private:
  void Serve() {
    while (true) {
      boost::system::error_code error;
      tcp::socket socket(io_);
      acceptor_.accept(socket, error);
      if (stopping_) return;
      ssl::stream<tcp::socket&> stream(socket, tls_);
      if (!error) stream.handshake(ssl::stream_base::server, error);
      if (const char* name = SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name)) {
        const std::scoped_lock lock(mutex_);
        asked_name_ = name;
      }
      char buffer[4096];
      if (!error) stream.read_some(boost::asio::buffer(buffer), error);
      if (error) continue;
      boost::asio::write(stream, boost::asio::buffer("HTTP/1.1 204 No Content\r\n\r\n", 27), error);
    }
  }

  std::unique_ptr<X509, decltype(&X509_free)> certificate_{X509_new(), &X509_free};
  ssl::context tls_{ssl::context::tls_server};
  boost::asio::io_context io_;
  tcp::acceptor acceptor_{io_, {boost::asio::ip::make_address("127.0.0.1"), 0}};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::string asked_name_;
  std::thread thread_;
};

// 0 if there was none.
int StatusOf(const TlsServer& server, const TlsOptions& tls) {
  const Result<ClientResponse> response = FetchBlocking(server.Request(), tls);
  if (response) return response->status;
  EXPECT_EQ(response.error().reason, "connect_failed") << response.error().detail;
  return 0;
}

TEST(FetchOverTls, TheAuthoritiesAreReadOnceForManyRequestsAndAFileThatIsReplacedCounts) {
  const TlsServer server;
  const testbed::TempDir dir;
  TlsOptions tls;
  tls.ca_file = (dir.path() / "ca.crt").string();
  EXPECT_EQ(StatusOf(server, tls), 0) << "there is no file";
  server.WriteCertificate(tls.ca_file);
  EXPECT_EQ(StatusOf(server, tls), 204);
  // What has the time that it had was not written to: nobody looks into it.
  const auto time = std::filesystem::last_write_time(tls.ca_file);
  std::ofstream(tls.ca_file) << "no certificate";
  std::filesystem::last_write_time(tls.ca_file, time);
  const TlsOptions copy = tls;
  EXPECT_EQ(StatusOf(server, copy), 204);
  std::filesystem::last_write_time(tls.ca_file, time + std::chrono::seconds(1));
  EXPECT_EQ(StatusOf(server, tls), 0) << "it is another";
  TlsServer().WriteCertificate(tls.ca_file);
  EXPECT_EQ(StatusOf(server, tls), 0) << "it is another server's";
  server.WriteCertificate(tls.ca_file);
  std::filesystem::last_write_time(tls.ca_file, time + std::chrono::seconds(2));
  EXPECT_EQ(StatusOf(server, tls), 204) << "at once";
}

TEST(FetchOverTls, TheDotOfTheRootIsOfNoCertificateAndNotAskedFor) {
  TlsServer server;
  const testbed::TempDir dir;
  TlsOptions tls;
  tls.ca_file = (dir.path() / "ca.crt").string();
  server.WriteCertificate(tls.ca_file);
  const Result<ClientResponse> response = FetchBlocking(server.Request("localhost."), tls);
  ASSERT_TRUE(response) << response.error().detail;
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(server.asked_name(), "localhost");
}

TEST(FetchOverTls, ACertificateOfNoAuthorityHasThemReadAnewAndAServerWithoutOneDoesNot) {
  const TlsOptions tls;
  const auto before = *tls.authorities->Get("", steady_clock::now() - std::chrono::minutes(1));
  TestServer plain{Router()};
  ClientRequest request;
  request.url = fmt::format("https://127.0.0.1:{}/", plain.server().port());
  EXPECT_FALSE(FetchBlocking(request, tls));
  EXPECT_TRUE(*tls.authorities->Get("", steady_clock::now()) == before);
  const TlsServer server;
  EXPECT_EQ(StatusOf(server, tls), 0);
  EXPECT_FALSE(*tls.authorities->Get("", steady_clock::now()) == before);
}

TEST(AuthoritiesTest, TheSystemsAreReadAnewAfterAnHourAndWhenDoubtedButNotWhenJustRead) {
  Authorities authorities;
  const Authorities::Time start = steady_clock::now();
  const auto first = *authorities.Get("", start);
  EXPECT_TRUE(*authorities.Get("", start + Authorities::kKept - std::chrono::seconds(1)) == first);
  const Authorities::Time later = start + Authorities::kKept;
  const auto second = *authorities.Get("", later);
  EXPECT_FALSE(second == first);
  authorities.Doubt(later + Authorities::kBeyondDoubt - std::chrono::seconds(1));
  EXPECT_TRUE(*authorities.Get("", later + Authorities::kBeyondDoubt) == second);
  authorities.Doubt(later + Authorities::kBeyondDoubt);
  EXPECT_FALSE(*authorities.Get("", later + Authorities::kBeyondDoubt) == second);
}

}  // namespace
}  // namespace boxoffice::http
