#include "platform/auth/keys.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

namespace boxoffice::auth {
namespace {

constexpr size_t kSecretBytes = 32;

// Closes a file descriptor at the end of its scope.
struct File {
  int fd = -1;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

bool IsSecret(std::string_view text) {
  return text.size() == kSecretBytes * 2 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Result<std::string> ReadSecret(const std::filesystem::path& path) {
  const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0)
    return Fail(Code::kInternal, "key_file_unreadable",
                fmt::format("{}: {}", path.string(), std::strerror(errno)));
  struct stat status{};
  if (::fstat(file.fd, &status) != 0) return Fail(Code::kInternal, "key_file_unreadable", path.string());
  if ((status.st_mode & 077) != 0) {
    return Fail(Code::kPermissionDenied, "key_file_exposed",
                fmt::format("{} must be readable by its owner only (chmod 600)", path.string()));
  }
  std::array<char, kSecretBytes * 2 + 2> buffer;
  const ssize_t size = ::read(file.fd, buffer.data(), buffer.size());
  if (size < 0) return Fail(Code::kInternal, "key_file_unreadable", path.string());
  std::string secret(buffer.data(), static_cast<size_t>(size));
  if (secret.ends_with('\n')) secret.pop_back();
  if (!IsSecret(secret)) return Fail(Code::kInvalidArgument, "key_file_invalid", path.string());
  return secret;
}

// Writes a whole file beside `path`, and links it to its name: the link fails where the name exists.
Result<void> CreateSecret(const std::filesystem::path& path) {
  const auto failed = [&path](std::string_view what) {
    return Fail(Code::kInternal, "key_file_unwritable",
                fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
  };
  BOXOFFICE_ASSIGN(const std::string secret, NewSecret());
  BOXOFFICE_ASSIGN(const std::string suffix, NewSecret());
  std::error_code ignored;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), ignored);
  const std::string temporary = path.string() + "." + suffix.substr(0, 12);
  const File file{::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (file.fd < 0) return failed("open");
  const std::string line = secret + "\n";
  const bool written = ::write(file.fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                       ::fsync(file.fd) == 0;
  const bool linked = written && (::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST);
  const int error = errno;
  ::unlink(temporary.c_str());
  errno = error;
  if (!linked) return failed(written ? "link" : "write");
  return {};
}

}  // namespace

Result<std::string> NewSecret() {
  std::array<unsigned char, kSecretBytes> bytes;
  if (RAND_bytes(bytes.data(), bytes.size()) != 1)
    return Fail(Code::kInternal, "key_generation", "RAND_bytes");
  std::string hex;
  for (const unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

Result<std::string> LoadOrCreateSecret(const std::filesystem::path& path) {
  if (::access(path.c_str(), F_OK) != 0) BOXOFFICE_TRY(CreateSecret(path));
  return ReadSecret(path);
}

}  // namespace boxoffice::auth
