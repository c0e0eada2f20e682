namespace EhrGrains.Silo.Gateway;

/// <summary>
/// What makes a path segment a tenant or a resource type. The first letter tells them apart, so the comparison is case-sensitive,
/// which the framework's own <c>regex</c> constraint is not.
/// </summary>
internal static class RouteNames
{
    internal const string TenantId = "tenantId";
    internal const string ResourceType = "resourceType";
    private const int TypeLengthMax = 64;

    internal static void AddRouteNames(this IServiceCollection services) => services.Configure<RouteOptions>(routes =>
    {
        routes.SetParameterPolicy<TenantConstraint>(TenantId);
        routes.SetParameterPolicy<TypeConstraint>(ResourceType);
    });

    private sealed class TenantConstraint : IRouteConstraint
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
            Contracts.Tenants.TenantId.TryParse(values[routeKey] as string, out _);
    }

    private sealed class TypeConstraint : IRouteConstraint
    {
        public bool Match(HttpContext? httpContext, IRouter? route, string routeKey, RouteValueDictionary values, RouteDirection routeDirection) =>
            values[routeKey] is string { Length: >= 2 and <= TypeLengthMax } type && char.IsAsciiLetterUpper(type[0]) && type.All(char.IsAsciiLetter);
    }
}
