using System.Security.Cryptography;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Identity;
using Orleans.Training.Grains.Keys;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.AzureServices;

/// <summary>
/// One version of an EC key in Azure Key Vault or Managed HSM, over their REST interface: ES256. The vault signs digests only; every signature is brought into the low-s
/// form and verified before it is given away.
/// </summary>
public sealed class KeyVaultSigner : ISigner
{
    private readonly VaultKey _reference;
    private readonly HttpPipeline _pipeline;
    private readonly KeyVaultOptions _options;

    private KeyVaultSigner(VaultKey reference, HttpPipeline pipeline, KeyVaultOptions options) => (_reference, _pipeline, _options, PublicKey) = (reference, pipeline, options, Fetch(reference, pipeline, options));

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <summary>Fetches the public key; this first request has no body, so that the vault's challenge is answered before anything is sent.</summary>
    /// <exception cref="OperationalException">
    /// OT-4050: the host asks for a token that is not for it. OT-4051: it lets nobody in. OT-4052: no such key, or none that can sign here. OT-4053: it cannot be reached or is
    /// too busy. OT-4054: its answer is not in the form.
    /// </exception>
    public static KeyVaultSigner Open(VaultKey reference, TokenCredential credential, KeyVaultOptions options) =>
        new(reference, HttpPipelineBuilder.Build(options, new VaultChallengePolicy(credential)), options);

    /// <inheritdoc/>
    /// <exception cref="OperationalException">As <see cref="Open"/>.</exception>
    public async ValueTask<byte[]> Sign(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_options.Patience);
        using var call = Call(_reference, _pipeline, _options, "/sign", RequestMethod.Post);
        call.Request.Headers.Add("Content-Type", "application/json");
        call.Request.Content = RequestContent.Create(VaultAnswer.SignRequest(SHA256.HashData(message.Span)));
        try
        {
            await _pipeline.SendAsync(call, limit.Token);
            var signature = Signatures.NormalizeEs256(VaultAnswer.ReadSignature(VaultAnswer.Require(call.Response, _reference), _reference));
            return Signatures.Verify(PublicKey, message.Span, signature) ? signature : throw VaultAnswer.Odd(_reference, "its signature does not verify");
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested && Explain(exception, _reference) is { } explained)
        {
            throw explained;
        }
    }

    private static PublicKey Fetch(VaultKey reference, HttpPipeline pipeline, KeyVaultOptions options)
    {
        using var limit = new CancellationTokenSource(options.Patience);
        using var call = Call(reference, pipeline, options, "", RequestMethod.Get);
        try
        {
            pipeline.Send(call, limit.Token);
            return VaultAnswer.ReadKey(VaultAnswer.Require(call.Response, reference), reference);
        }
        catch (Exception exception) when (Explain(exception, reference) is { } explained)
        {
            throw explained;
        }
    }

    private static HttpMessage Call(VaultKey reference, HttpPipeline pipeline, KeyVaultOptions options, string operation, RequestMethod method)
    {
        var message = pipeline.CreateMessage();
        message.BufferResponse = false;
        message.Request.Method = method;
        message.Request.Uri.Reset(new Uri(reference.Vault, $"/keys/{reference.Name}/{reference.Version}{operation}?api-version={Uri.EscapeDataString(options.ApiVersion)}"));
        message.Request.Headers.Add("Accept", "application/json");
        return message;
    }

    // Inner exceptions stay behind: they may quote requests. Their own first line says what an operator needs.
    private static OperationalException? Explain(Exception exception, VaultKey reference) => exception switch
    {
        AuthenticationFailedException => new("OT-4051", $"This machine gets no token for {reference.Vault.Host}: {VaultAnswer.FirstLine(exception.Message)}"),
        RequestFailedException or OperationCanceledException or AggregateException or IOException or HttpRequestException => new("OT-4053", $"{reference.Vault.Host} cannot be reached: {VaultAnswer.FirstLine(exception.Message)}"),
        _ => null,
    };
}
