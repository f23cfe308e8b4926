using System.Text.RegularExpressions;
using Azure.Core;
using Azure.Core.Pipeline;

namespace Orleans.Training.Grains.AzureServices;

/// <summary>
/// Asks for a token when the vault says for what (401 with WWW-Authenticate), as Azure's own clients do: the first request goes without one. A token is only asked for
/// a resource whose domain the vault's host belongs to, so that no other host collects tokens for it.
/// </summary>
internal sealed partial class VaultChallengePolicy(TokenCredential credential) : BearerTokenAuthenticationPolicy(credential, [])
{
    private const int MaximumHeader = 4096;

    private TokenRequestContext? _known;

    /// <inheritdoc/>
    protected override void AuthorizeRequest(HttpMessage message)
    {
        if (_known is { } context) AuthenticateAndAuthorizeRequest(message, context);
    }

    /// <inheritdoc/>
    protected override ValueTask AuthorizeRequestAsync(HttpMessage message) => _known is { } context ? AuthenticateAndAuthorizeRequestAsync(message, context) : default;

    /// <inheritdoc/>
    protected override bool AuthorizeRequestOnChallenge(HttpMessage message)
    {
        AuthenticateAndAuthorizeRequest(message, Learn(message));
        return true;
    }

    /// <inheritdoc/>
    protected override async ValueTask<bool> AuthorizeRequestOnChallengeAsync(HttpMessage message)
    {
        await AuthenticateAndAuthorizeRequestAsync(message, Learn(message));
        return true;
    }

    private TokenRequestContext Learn(HttpMessage message)
    {
        var host = message.Request.Uri.Host ?? "";
        if (!message.Response.Headers.TryGetValue("WWW-Authenticate", out var header) || header.Length > MaximumHeader) throw Refused(host, "does not say which token it wants");
        var values = Parameter().Matches(header).DistinctBy(match => match.Groups[1].Value).ToDictionary(match => match.Groups[1].Value, match => match.Groups[2].Value, StringComparer.OrdinalIgnoreCase);
        var scope = values.TryGetValue("resource", out var resource) ? resource.TrimEnd('/') + "/.default" : values.GetValueOrDefault("scope", "");
        if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) || !Uri.TryCreate(scope, UriKind.Absolute, out var wanted) || wanted.Scheme != Uri.UriSchemeHttps) throw Refused(host, "does not say which token it wants");
        if (!host.EndsWith($".{wanted.Host}", StringComparison.OrdinalIgnoreCase)) throw Refused(host, "wants a token for another domain than its own");
        var authority = values.GetValueOrDefault("authorization") ?? values.GetValueOrDefault("authorization_uri");
        var tenant = Uri.TryCreate(authority, UriKind.Absolute, out var issuer) && issuer.Segments.Length > 1 ? issuer.Segments[1].Trim('/') : null;
        var context = new TokenRequestContext([scope], parentRequestId: message.Request.ClientRequestId, tenantId: tenant);
        _known = context;
        return context;
    }

    private static OperationalException Refused(string host, string why) => new("OT-4050", $"The host {host} {why}: no token was sent.");

    [GeneratedRegex("""([A-Za-z_]{1,32})="([^"]{0,2048})"[ ,]?""", RegexOptions.CultureInvariant)]
    private static partial Regex Parameter();
}
