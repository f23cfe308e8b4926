using System.Security.Cryptography;
using Net.Pkcs11Interop.Common;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>
/// A key in a PKCS#11 token (OASIS PKCS #11 3.0): ES256 with CKM_ECDSA over the SHA-256 of the message, or Ed25519 with CKM_EDDSA. A token signs one message at a
/// time, each on a thread of the pool. When the token or its session is gone the call fails (OT-4043), and the next one logs in again.
/// </summary>
public sealed class Pkcs11Signer : ISigner, IDisposable
{
    private readonly TokenKey _reference;
    private readonly SemaphoreSlim _turn = new(1);
    private TokenSession? _session;
    private bool _disposed;

    private Pkcs11Signer(TokenKey reference, TokenSession session) => (_reference, _session, PublicKey) = (reference, session, session.PublicKey);

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <summary>Loads the token's library, logs in and finds the key.</summary>
    /// <exception cref="OperationalException">
    /// OT-4035: the PIN cannot be read. OT-4040: library or token are not there. OT-4041: the token refuses the PIN. OT-4042: it has no such key, or none that can sign here.
    /// </exception>
    public static Pkcs11Signer Open(TokenKey reference) => new(reference, TokenSession.Open(reference));

    /// <inheritdoc/>
    /// <exception cref="OperationalException">OT-4043: the token failed, or its session was lost. Else as <see cref="Open"/>, when it logs in again.</exception>
    public async ValueTask<byte[]> Sign(ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return await Task.Run(() => SignNow(message.Span), CancellationToken.None);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _turn.Wait();
        try
        {
            _disposed = true;
            _session?.Dispose();
            _session = null;
        }
        finally
        {
            _turn.Release();
        }
    }

    private byte[] SignNow(ReadOnlySpan<byte> message)
    {
        _session ??= Again();
        byte[] signature;
        try
        {
            signature = PublicKey.Algorithm is SignatureAlgorithm.Es256 ? Signatures.NormalizeEs256(_session.Sign(SHA256.HashData(message))) : _session.Sign(message.ToArray());
        }
        catch (Pkcs11Exception exception)
        {
            Forget();
            throw Failed(exception.RV.ToString());
        }

        if (Signatures.Verify(PublicKey, message, signature)) return signature;
        Forget();
        throw Failed("its signature does not verify");
    }

    private TokenSession Again()
    {
        var session = TokenSession.Open(_reference);
        if (session.PublicKey == PublicKey) return session;
        session.Dispose();
        throw new OperationalException("OT-4042", $"The token '{_reference.Token}' now holds another key under this name than when it was opened.");
    }

    private void Forget()
    {
        _session!.Dispose();
        _session = null;
    }

    private OperationalException Failed(string how) => new("OT-4043", $"The token '{_reference.Token}' did not sign: {how}. The next call logs in again.");
}
