using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Net.Pkcs11Interop.Common;
using Net.Pkcs11Interop.HighLevelAPI;
using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Keys;

/// <summary>One session with a token, logged in, and one of its keys. Not for several threads at once.</summary>
internal sealed class TokenSession : IDisposable
{
    // PKCS #11 3.0 §2.3.3 and §2.3.14; the enums of the binding end with 2.40.
    private const ulong EdwardsKey = 0x40;
    private const ulong Eddsa = 0x1057;

    // A library is loaded and initialised once and for the whole process: C_Finalize would end the sessions of all its users.
    private static readonly ConcurrentDictionary<string, Lazy<IPkcs11Library>> Modules = new(StringComparer.Ordinal);

    // A token locks itself after a few wrong PINs. One that was refused is not tried again until another stands in its place.
    private static readonly ConcurrentDictionary<string, byte[]> Refused = new(StringComparer.Ordinal);
    private static readonly byte[] RefusedKey = RandomNumberGenerator.GetBytes(32);

    // DER: the object identifiers of P-256 (RFC 5480 §2.1.1.1) and Ed25519 (RFC 8410 §3), and the name edwards25519 that PKCS #11 3.0 §2.3.6 allows as well.
    private static readonly byte[] P256 = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
    private static readonly byte[] Ed25519 = [0x06, 0x03, 0x2B, 0x65, 0x70];
    private static readonly byte[] Edwards25519 = [0x13, 0x0C, .. "edwards25519"u8];

    private readonly ISession _session;
    private readonly IObjectHandle _key;

    // The binding asks for libdl, which only the development packages of glibc before 2.34 have under that name.
    static TokenSession() => NativeLibrary.SetDllImportResolver(typeof(Pkcs11InteropFactories).Assembly, (name, assembly, path) =>
        name == "libdl" && OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libdl.so.2", assembly, path, out var library) ? library : 0);

    private TokenSession(ISession session, IObjectHandle key, PublicKey publicKey) => (_session, _key, PublicKey) = (session, key, publicKey);

    public PublicKey PublicKey { get; }

    /// <exception cref="OperationalException">OT-4035, OT-4040, OT-4041, OT-4042.</exception>
    public static TokenSession Open(TokenKey reference)
    {
        try
        {
            var session = SlotOf(reference).OpenSession(SessionType.ReadOnly);
            try
            {
                Login(session, reference);
                var key = PrivateKey(session, reference);
                return new TokenSession(session, key, PublicKeyOf(session, key, reference));
            }
            catch
            {
                Close(session);
                throw;
            }
        }
        catch (Pkcs11Exception exception)
        {
            throw new OperationalException("OT-4040", $"The token '{reference.Token}' of {reference.Module} cannot be used: {exception.Method} answers {exception.RV}.");
        }
    }

    /// <summary>The signature of a digest (ES256: r‖s) or of a message (Ed25519).</summary>
    /// <exception cref="Pkcs11Exception">The token or its session failed.</exception>
    public byte[] Sign(byte[] data)
    {
        using var mechanism = _session.Factories.MechanismFactory.Create(PublicKey.Algorithm is SignatureAlgorithm.Es256 ? (ulong)CKM.CKM_ECDSA : Eddsa);
        return _session.Sign(mechanism, _key, data);
    }

    public void Dispose() => Close(_session);

    private static IPkcs11Library ModuleOf(TokenKey reference)
    {
        var module = Modules.GetOrAdd(reference.Module, path => new(() =>
        {
            var factories = new Pkcs11InteropFactories();
            return factories.Pkcs11LibraryFactory.LoadPkcs11Library(factories, path, AppType.MultiThreaded);
        }));
        try
        {
            return module.Value;
        }
        catch (Exception exception) when (exception is UnmanagedException or Pkcs11Exception or DllNotFoundException or BadImageFormatException)
        {
            Modules.TryRemove(KeyValuePair.Create(reference.Module, module));
            throw new OperationalException("OT-4040", $"The PKCS#11 library {reference.Module} cannot be loaded: {exception.Message}");
        }
    }

    private static ISlot SlotOf(TokenKey reference)
    {
        var found = ModuleOf(reference).GetSlotList(SlotsType.WithTokenPresent).Where(slot => slot.GetTokenInfo() is var token
            && token.Label.TrimEnd() == reference.Token && (reference.Serial is null || token.SerialNumber.TrimEnd() == reference.Serial)).ToList();
        return found.Count == 1
            ? found[0]
            : throw new OperationalException("OT-4040", $"{(found.Count == 0 ? "No token" : "More than one token")} of {reference.Module} is labelled '{reference.Token}'{(reference.Serial is null ? "" : " with this serial number")}.");
    }

    private static void Login(ISession session, TokenKey reference)
    {
        using var pin = reference.Pin.Read();
        var token = $"{reference.Module}\0{reference.Token}\0{reference.Serial}";
        var digest = HMACSHA256.HashData(RefusedKey, pin.Bytes);
        if (Refused.TryGetValue(token, out var refused) && CryptographicOperations.FixedTimeEquals(refused, digest))
            throw new OperationalException("OT-4041", $"The token '{reference.Token}' has refused the PIN of {reference.Pin} before; it is not tried again, so that the token does not lock itself.");
        try
        {
            session.Login(CKU.CKU_USER, pin.Pinned);
        }
        catch (Pkcs11Exception exception) when (exception.RV is CKR.CKR_USER_ALREADY_LOGGED_IN)
        {
            // All sessions of a process with one token are logged in together.
        }
        catch (Pkcs11Exception exception) when (exception.RV is CKR.CKR_PIN_INCORRECT or CKR.CKR_PIN_INVALID or CKR.CKR_PIN_LEN_RANGE or CKR.CKR_PIN_EXPIRED or CKR.CKR_PIN_LOCKED or CKR.CKR_USER_PIN_NOT_INITIALIZED)
        {
            Refused[token] = digest;
            throw new OperationalException("OT-4041", $"The token '{reference.Token}' refuses the PIN of {reference.Pin}: {exception.RV}.");
        }
    }

    private static IObjectHandle PrivateKey(ISession session, TokenKey reference)
    {
        var wanted = new List<IObjectAttribute> { session.Factories.ObjectAttributeFactory.Create(CKA.CKA_CLASS, CKO.CKO_PRIVATE_KEY) };
        if (reference.Label is not null) wanted.Add(session.Factories.ObjectAttributeFactory.Create(CKA.CKA_LABEL, Encoding.UTF8.GetBytes(reference.Label)));
        if (reference.Id is not null) wanted.Add(session.Factories.ObjectAttributeFactory.Create(CKA.CKA_ID, Convert.FromHexString(reference.Id)));
        return Single(session, wanted, reference, "private key");
    }

    // The public half bears the id of the private one, or its label where tokens give no ids.
    private static PublicKey PublicKeyOf(ISession session, IObjectHandle key, TokenKey reference)
    {
        var told = session.GetAttributeValue(key, [CKA.CKA_ID, CKA.CKA_LABEL, CKA.CKA_KEY_TYPE, CKA.CKA_SIGN]);
        var (id, label) = (told[0].CannotBeRead ? [] : told[0].GetValueAsByteArray(), told[1].CannotBeRead ? [] : told[1].GetValueAsByteArray());
        if (told[3].CannotBeRead || !told[3].GetValueAsBool()) throw Unfit(reference, "it may not sign (CKA_SIGN)");
        var same = id.Length > 0 ? session.Factories.ObjectAttributeFactory.Create(CKA.CKA_ID, id) : session.Factories.ObjectAttributeFactory.Create(CKA.CKA_LABEL, label);
        var half = Single(session, [session.Factories.ObjectAttributeFactory.Create(CKA.CKA_CLASS, CKO.CKO_PUBLIC_KEY), same], reference, "public key");
        var read = session.GetAttributeValue(half, [CKA.CKA_EC_PARAMS, CKA.CKA_EC_POINT]);
        if (read[0].CannotBeRead || read[1].CannotBeRead) throw Unfit(reference, "its public key is no point of a curve");
        var (curve, point) = (read[0].GetValueAsByteArray(), read[1].GetValueAsByteArray());
        SignatureAlgorithm? algorithm = told[2].GetValueAsUlong() switch
        {
            (ulong)CKK.CKK_EC when curve.AsSpan().SequenceEqual(P256) => SignatureAlgorithm.Es256,
            EdwardsKey when curve.AsSpan().SequenceEqual(Ed25519) || curve.AsSpan().SequenceEqual(Edwards25519) => SignatureAlgorithm.Ed25519,
            _ => null,
        };
        if (algorithm is not { } known) throw Unfit(reference, "only P-256 and Ed25519 keys sign for the ledger");
        return PublicKey.TryCreate(known, Unwrapped(point, known is SignatureAlgorithm.Es256 ? 65 : 32), out var publicKey) ? publicKey! : throw Unfit(reference, "its public key is no point of its curve");
    }

    // A DER octet string around the point (PKCS #11 3.0 §2.3.3), or the point alone, as some tokens have it.
    private static ReadOnlySpan<byte> Unwrapped(byte[] point, int bytes) => point.Length == bytes + 2 && point[0] == 4 && point[1] == bytes ? point.AsSpan(2) : point;

    private static IObjectHandle Single(ISession session, List<IObjectAttribute> wanted, TokenKey reference, string what)
    {
        try
        {
            var found = session.FindAllObjects(wanted);
            return found.Count == 1 ? found[0] : throw Unfit(reference, found.Count == 0 ? $"there is no such {what}" : $"more than one {what} has this name");
        }
        finally
        {
            foreach (var attribute in wanted) attribute.Dispose();
        }
    }

    private static OperationalException Unfit(TokenKey reference, string why) => new("OT-4042", $"The key {reference.Label ?? reference.Id} of the token '{reference.Token}' cannot be used: {why}.");

    // A session that the token has dropped cannot be closed, and need not be.
    private static void Close(ISession session)
    {
        try
        {
            session.Dispose();
        }
        catch (Pkcs11Exception)
        {
            // It is closed already.
        }
    }
}
