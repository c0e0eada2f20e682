using System.Security.Cryptography;
using System.Text;
using EhrGrains.Contracts;

namespace EhrGrains.Storage.Keys;

/// <summary>
/// The key that everything sealed depends on: 32 random bytes, as base64 in a file that only its owner can read, never in the
/// database or its backups. Without it the database is worthless; keep a copy where the database is not.
/// </summary>
public sealed class RootKey
{
    private const int Length = 32;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute |
        UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private static readonly TimeSpan TurnWait = TimeSpan.FromSeconds(10);

    private readonly byte[] key;

    private RootKey(byte[] key) => this.key = key;

    /// <summary>Reads the root key.</summary>
    /// <exception cref="ProblemException">The file is missing, readable by others, or holds no key.</exception>
    public static RootKey Load(string path)
    {
        if (!File.Exists(path))
        {
            throw Refused($"The root key file '{path}' does not exist. Make one with 'head -c 32 /dev/urandom | base64' and chmod 600, "
                + "or restore the one that this database was used with.");
        }

        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != UnixFileMode.None)
        {
            throw Refused($"The root key file '{path}' can be read or written by others. Run: chmod 600 '{path}'.");
        }

        var text = File.ReadAllText(path, Encoding.ASCII).Trim();
        var bytes = new byte[Length];
        return Convert.TryFromBase64String(text, bytes, out var written) && written == Length
            ? new RootKey(bytes)
            : throw Refused($"The root key file '{path}' does not hold {Length} bytes as base64.");
    }

    /// <summary>Reads the root key, or makes one if there is no such file.</summary>
    /// <exception cref="ProblemException">The file is readable by others or holds no key.</exception>
    public static RootKey LoadOrCreate(string path)
    {
        if (!File.Exists(path))
        {
            Create(path);
        }

        return Load(path);
    }

    /// <summary>A key of 32 bytes for one purpose (HKDF, RFC 5869).</summary>
    internal byte[] Derive(string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, key, Length, info: Encoding.UTF8.GetBytes(purpose));

    /// <summary>Writes aside and renames, so that a crash or a second process never leaves or sees half a key.</summary>
    private static void Create(string path)
    {
        var directory = Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);

        // One at a time: where nothing was a moment ago, a move replaces what another process has put there meanwhile.
        using var turn = TakeTurn(Path.Combine(directory.FullName, $".{Path.GetFileName(path)}.lock"));
        if (File.Exists(path))
        {
            return;
        }

        var aside = Path.Combine(directory.FullName, $".{Path.GetFileName(path)}.{Convert.ToHexString(RandomNumberGenerator.GetBytes(8))}");
        using (var file = new FileStream(aside, Private(FileMode.CreateNew)))
        {
            file.Write(Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(Length)) + "\n"));
            file.Flush(flushToDisk: true);
        }

        File.Move(aside, path, overwrite: false);
    }

    /// <summary>A lock file that nobody else has open, and that goes when it is closed.</summary>
    private static FileStream TakeTurn(string path)
    {
        FileStream? turn = null;
        var why = "";
        return SpinWait.SpinUntil(TryTake, TurnWait)
            ? turn!
            : throw Refused($"The root key cannot be made: '{path}' cannot be locked ({why}). End a process that holds it, or look at the disk, and start again.");

        bool TryTake()
        {
            try
            {
                var options = Private(FileMode.OpenOrCreate);
                options.Options = FileOptions.DeleteOnClose;
                turn = new FileStream(path, options);
                return true;
            }
            catch (IOException e)
            {
                why = e.Message;
                return false;
            }
        }
    }

    private static FileStreamOptions Private(FileMode mode)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.Write, Share = FileShare.None };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        return options;
    }

    private static ProblemException Refused(string message) => new(ProblemKind.Invalid, "EHR-STO-010", "rootKeyFile", message);
}
