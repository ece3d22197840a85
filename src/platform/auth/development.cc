#include "platform/auth/development.h"

#include "platform/auth/keys.h"

namespace boxoffice::auth {

Result<TokenConfig> DevelopmentTokens(const std::filesystem::path& data_dir) {
  BOXOFFICE_ASSIGN(std::string secret, LoadOrCreateSecret(data_dir / "keys" / "jwt.key"));
  TokenConfig config;
  config.algorithm = Algorithm::kHs256;
  config.key = std::move(secret);
  config.issuer = "boxoffice-development";
  config.audience = "boxoffice";
  return config;
}

}  // namespace boxoffice::auth
